"""Changes of shape that break nothing: rotations about bonds, and centres turned inside out. Reported, not failed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lampion.analysis.stability.bonds import BondGraph, joined, persists, stretches
from lampion.analysis.stability.definition import Definition
from lampion.analysis.stability.trajectory import Trajectory

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

BASIN = np.radians(60.0)  # half the width of a threefold basin


@dataclass(frozen=True)
class Conformation:
    """A lasting change: `torsion` or `inversion`, of which atoms (1 the first), first at which time (ps)."""

    kind: str
    atoms: tuple[int, ...]
    time: float


def conformational_changes(trajectory: Trajectory, definition: Definition) -> list[Conformation]:
    """First change of every torsion and every centre, the earliest first.

    Torsion: the dihedral angle a-b-c-d about the bond b-c is more than 60° from its start for the persistence of the
    definition. One per bond, a and d the first other neighbours of b and c; none in rings, none about bonds with an end
    of three like neighbours (a methyl group turns all the time). Inversion: the triple product of three bonds of an
    atom with four neighbours has the other sign for the persistence.
    """
    graph = BondGraph(trajectory, definition)
    adjacency = graph.before()
    found = [
        _first(trajectory, definition, "torsion", atoms, _turned(trajectory.positions, atoms))
        for atoms in _torsions(adjacency, trajectory.elements)
    ]
    found += [
        _first(trajectory, definition, "inversion", atoms, _inverted(trajectory.positions, atoms))
        for atoms in _centres(adjacency)
    ]
    return sorted((change for change in found if change is not None), key=lambda change: change.time)


def dihedral(positions: Array, atoms: tuple[int, ...]) -> Array:
    """Angle a-b-c-d in (-π, π] of every frame; IUPAC sign. positions (n_frames, n_atoms, 3)."""
    a, b, c, d = (positions[:, atom] for atom in atoms)
    axis = c - b
    left, right = np.cross(b - a, axis), np.cross(axis, d - c)
    sine = np.einsum("ij,ij->i", np.cross(left, right), axis) / np.linalg.norm(axis, axis=1)
    return np.asarray(np.arctan2(sine, np.einsum("ij,ij->i", left, right)))


def _torsions(adjacency: Mask, elements: tuple[str, ...]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for b, c in np.argwhere(np.triu(adjacency)):
        before, after = (np.flatnonzero(adjacency[x]) for x in (b, c))
        before, after = before[before != c], after[after != b]
        is_rotor = any(len(side) == 3 and len({elements[k] for k in side}) == 1 for side in (before, after))
        if len(before) and len(after) and not is_rotor and not _in_ring(adjacency, b, c):
            found.append((int(before[0]), int(b), int(c), int(after[0])))
    return found


def _in_ring(adjacency: Mask, b: int, c: int) -> bool:
    """Whether a path joins b and c that does not take their bond."""
    cut = adjacency.copy()
    cut[b, c] = cut[c, b] = False
    return joined(cut, b, c)


def _centres(adjacency: Mask) -> list[tuple[int, ...]]:
    return [
        (int(centre), *(int(k) for k in np.flatnonzero(adjacency[centre])[:3]))
        for centre in np.flatnonzero(adjacency.sum(axis=0) == 4)
    ]


def _turned(positions: Array, atoms: tuple[int, ...]) -> Mask:
    angle = dihedral(positions, atoms)
    return np.asarray(np.abs(np.angle(np.exp(1j * (angle - angle[0])))) > BASIN)


def _inverted(positions: Array, atoms: tuple[int, ...]) -> Mask:
    centre, *others = (positions[:, atom] for atom in atoms)
    a, b, c = (other - centre for other in others)
    volume = np.einsum("ij,ij->i", np.cross(a, b), c)
    return np.asarray(np.sign(volume) != np.sign(volume[0]))


def _first(
    trajectory: Trajectory, definition: Definition, kind: str, atoms: tuple[int, ...], away: Mask
) -> Conformation | None:
    for first, last in stretches(away):
        if persists(trajectory.time, first, last, definition):
            return Conformation(kind, tuple(atom + 1 for atom in atoms), float(trajectory.time[first]))
    return None
