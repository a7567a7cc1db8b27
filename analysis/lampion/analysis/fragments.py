"""Do the molecules stay whole? Bond graphs, their connected components, and pairs that came too close."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import MDAnalysis
import numpy as np
from ase.data import atomic_numbers, covalent_radii
from MDAnalysis.analysis.base import AnalysisBase
from MDAnalysis.coordinates.timestep import Timestep
from MDAnalysis.lib.distances import minimize_vectors, self_capped_distance
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

BOND_FACTOR = 1.2
CLOSE_FACTOR = 0.7
_SEARCH = 5.0  # Å: far enough to find the shortest distance of any condensed system
_SAME = 0.1  # Å: images of an atom are an edge of the box apart

Composition = dict[str, int]


def radius_sums(names: NDArray[np.str_]) -> NDArray[np.float64]:
    """Sums of the covalent radii (Cordero et al., Dalton Trans. 2008, 2832) of all pairs of elements; (n, n) Å.

    Raises:
        ValueError: a name that is no chemical element.
    """
    unknown = [name for name in names if name not in atomic_numbers]
    if unknown:
        raise ValueError(
            f"the element of {', '.join(unknown)} is not known: pass the elements in the order of the types"
        )
    radii = np.array([covalent_radii[atomic_numbers[name]] for name in names])
    return np.asarray(radii[:, None] + radii[None, :])


def unwrapped(
    positions: NDArray[np.floating[Any]], bonds: NDArray[np.intp], box: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], bool]:
    """Positions in which no bond is cut by the boundary, and whether bonds run through the whole box, as in a metal.

    Args:
        positions: (n, 3) Å. bonds: (n_bonds, 2) indices of atoms.
        box: lengths (Å) and angles (degrees) as MDAnalysis has them.
    """
    n, placed = len(positions), np.array(positions, dtype=np.float64)
    graph = _graph(bonds, n)
    _, member = connected_components(graph, directed=False)
    _, roots, sizes = np.unique(member, return_index=True, return_counts=True)
    for root in roots[sizes > 1]:
        order, before = breadth_first_order(graph, root, directed=False)
        atoms, parents = order[1:], before[order[1:]]
        for atom, parent, step in zip(atoms, parents, _nearest(positions, parents, atoms, box), strict=True):
            placed[atom] = placed[parent] + step
    first, second = bonds.T
    excess = placed[second] - placed[first] - _nearest(positions, first, second, box)
    return placed, bool((np.abs(excess) > _SAME).any())


def _graph(bonds: NDArray[np.intp], n: int) -> csr_array:
    """Bonds among n atoms as a sparse matrix."""
    return coo_array((np.ones(len(bonds)), (bonds[:, 0], bonds[:, 1])), shape=(n, n)).tocsr()


def _nearest(
    positions: NDArray[np.floating[Any]],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    box: NDArray[np.floating[Any]],
) -> NDArray[np.floating[Any]]:
    """Vectors from atoms to the nearest images of others, (n, 3)."""
    vectors = positions[second] - positions[first]
    return np.asarray(minimize_vectors(vectors, box)) if len(vectors) else vectors


class Fragments(AnalysisBase):
    """Molecules by connectivity.

    Atoms i and j are bonded in a frame if r_ij < 1.2 (R_i + R_j), R being covalent radii. A fragment is a connected
    component of that graph; an atom without bonds is one. The composition of a frame counts fragments by formula.
    Results: `compositions`, one dict formula -> count per frame.
    """

    def __init__(self, universe: MDAnalysis.Universe, labels: NDArray[np.str_]) -> None:
        super().__init__(universe.trajectory)
        self._atoms = universe.atoms
        self._names, self._index = np.unique(labels, return_inverse=True)
        self._bond = BOND_FACTOR * radius_sums(self._names)

    def _prepare(self) -> None:
        self.results.compositions = []

    def require_molecules(self) -> None:
        """Refuse systems without molecules.

        Raises:
            ValueError: bonds of the first frame run through the whole box.
        """
        frame = self._trajectory[0]
        if frame.dimensions is not None and unwrapped(frame.positions, self._bonds(frame), frame.dimensions)[1]:
            raise ValueError("atoms are bonded through the whole box, as in a metal: no molecules that could break")

    def _bonds(self, frame: Timestep) -> NDArray[np.intp]:
        """Pairs of bonded atoms, (n_bonds, 2)."""
        found, distance = self_capped_distance(
            frame.positions, max_cutoff=float(self._bond.max()), box=frame.dimensions
        )
        return np.asarray(found[distance < self._bond[tuple(self._index[found].T)]])

    def _single_frame(self) -> None:
        graph = _graph(self._bonds(self._ts), len(self._atoms))
        n_fragments, member = connected_components(graph, directed=False)
        content = np.zeros((n_fragments, len(self._names)), dtype=int)
        np.add.at(content, (member, self._index), 1)
        self.results.compositions.append(self._formulas(content))

    def _formulas(self, content: NDArray[np.int_]) -> Composition:
        kinds, counts = np.unique(content, axis=0, return_counts=True)
        return {
            "".join(f"{name}{k if k > 1 else ''}" for name, k in zip(self._names, kind, strict=True) if k): int(count)
            for kind, count in zip(kinds, counts, strict=True)
        }


class ClosePairs(AnalysisBase):
    """Pairs closer than a physical minimum: a hole in the potential that molecular dynamics has found.

    A pair is too close in a frame if r_ij < limit_AB. The limit is the one passed for the pair `A-B`, else
    0.7 (R_A + R_B), R being covalent radii.
    Results: `count` (pairs summed over frames), `frames` (numbers of the frames that have any), `shortest`
    pair name -> shortest distance in Å within 5 Å, `limits` pair name -> Å.
    """

    def __init__(self, universe: MDAnalysis.Universe, labels: NDArray[np.str_], limits: Mapping[str, float]) -> None:
        super().__init__(universe.trajectory)
        self._atoms = universe.atoms
        self._names, self._index = np.unique(labels, return_inverse=True)
        self._limit = self._limit_matrix(limits)

    def _limit_matrix(self, limits: Mapping[str, float]) -> NDArray[np.float64]:
        names = [[f"{a}-{b}" for b in self._names] for a in self._names]
        given = np.array(
            [[limits.get(ab, limits.get("-".join(ab.split("-")[::-1]), np.nan)) for ab in row] for row in names]
        )
        return (
            given
            if np.isfinite(given).all()
            else np.where(np.isnan(given), CLOSE_FACTOR * radius_sums(self._names), given)
        )

    def _prepare(self) -> None:
        self.results.count, self.results.frames, self.results.shortest = 0, [], {}
        ordered = [(a, b) for a in range(len(self._names)) for b in range(a, len(self._names))]
        self.results.limits = {self._pair(a, b): float(self._limit[a, b]) for a, b in ordered}

    def _pair(self, a: int, b: int) -> str:
        return f"{self._names[a]}-{self._names[b]}"

    def _single_frame(self) -> None:
        reach = max(_SEARCH, float(self._limit.max()))
        found, distance = self_capped_distance(self._atoms.positions, max_cutoff=reach, box=self._ts.dimensions)
        kinds = np.sort(self._index[found], axis=1)
        close = int((distance < self._limit[tuple(kinds.T)]).sum())
        self.results.count += close
        if close:
            self.results.frames.append(int(self._ts.frame))
        for a, b in np.unique(kinds, axis=0):
            nearest = float(distance[(kinds == (a, b)).all(axis=1)].min())
            name = self._pair(a, b)
            self.results.shortest[name] = min(nearest, self.results.shortest.get(name, np.inf))


@dataclass(frozen=True)
class Breakage:
    """How often the composition differed from the expected one, when first (frame number), and what it became."""

    expected: Composition
    n_frames_changed: int
    first_frame: int | None
    seen: Composition


def breakage(compositions: list[Composition], expected: Composition | None = None) -> Breakage:
    """Compare every frame's composition with the expected one (default: that of the first frame).

    `seen` counts, over all frames, the fragments beyond the expected number of their formula.
    """
    wanted = expected if expected is not None else compositions[0]
    changed = [frame for frame, now in enumerate(compositions) if now != wanted]
    seen: Counter[str] = Counter()
    for frame in changed:
        seen.update(Counter(compositions[frame]) - Counter(wanted))
    return Breakage(wanted, len(changed), changed[0] if changed else None, dict(seen))
