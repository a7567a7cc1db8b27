"""What kind of chemistry a change of the bond graph is."""

import numpy as np
from numpy.typing import NDArray

from lampion.analysis.stability.bonds import BondGraph, Excursion, joined
from lampion.analysis.stability.failure import Cause

Mask = NDArray[np.bool_]

#: causes of the kinds the watch writes, but for bonds
OF_KIND = {
    "nonfinite": Cause.EXPLOSION,
    "force": Cause.EXPLOSION,
    "temperature": Cause.EXPLOSION,
    "distance": Cause.COLLISION,
    "energy": Cause.DRIFT,
    "lost": Cause.LOST,
}


def bond_cause(pair: tuple[int, int], is_broken: bool, elements: tuple[str, ...], before: Mask, after: Mask) -> Cause:
    """Type of the change of one pair, seen in the graphs before and after.

    - H and a heavier atom part: proton transfer if the H now has another heavy neighbour, else hydrogen loss.
    - H and a heavier atom join: proton transfer if the H has left its old one, else hydrogen entering another atom.
    - Heavier atoms (or two H) part: ring opening if a path still joins them, else cleavage (hydrogen loss for H2).
    - Heavier atoms (or two H) join: merging.

    Args:
        pair: atoms, 0 the first. before, after: adjacency (n_atoms, n_atoms).
    """
    after = after.copy()
    after[pair, pair[::-1]] = not is_broken  # whatever else a look at other frames says of the named pair
    hydrogens = [atom for atom in pair if elements[atom] == "H"]
    if len(hydrogens) == 1:
        (h,) = hydrogens
        return _hydrogen_cause(h, is_broken, elements, before, after)
    if not is_broken:
        return Cause.MERGING
    if hydrogens:
        return Cause.HYDROGEN_LOSS
    return Cause.RING_OPENING if joined(after, *pair) else Cause.CLEAVAGE


def _hydrogen_cause(h: int, is_broken: bool, elements: tuple[str, ...], before: Mask, after: Mask) -> Cause:
    heavy = np.array([name != "H" for name in elements])
    new = after[h] & heavy & ~before[h]
    left = before[h] & heavy & ~after[h]
    if new.any() and left.any():
        return Cause.PROTON_TRANSFER
    return Cause.HYDROGEN_LOSS if is_broken else Cause.HYDROGEN_ENTRY


def excursion_cause(graph: BondGraph, excursion: Excursion, elements: tuple[str, ...]) -> Cause:
    """Type of an excursion of a trajectory."""
    return bond_cause(excursion.pair, excursion.is_broken, elements, graph.before(), graph.after(excursion))


def removal_cause(pair: tuple[int, int], is_broken: bool, elements: tuple[str, ...]) -> Cause:
    """Type of a change of which only the pair is known: a ring, or where a hydrogen went, cannot be seen."""
    before = np.zeros((len(elements), len(elements)), dtype=bool)
    before[pair, pair[::-1]] = is_broken
    after = np.zeros_like(before)
    after[pair, pair[::-1]] = not is_broken
    return bond_cause(pair, is_broken, elements, before, after)
