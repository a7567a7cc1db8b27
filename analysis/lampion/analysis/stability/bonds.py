"""The bond graph of a molecule over time, with hysteresis and persistence: vibrations and hops back are no events."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from lampion.analysis.fragments import radius_sums
from lampion.analysis.stability.definition import Definition
from lampion.analysis.stability.trajectory import Trajectory

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROUNDING = 1e-9  # ps: times are sums of steps


@dataclass(frozen=True)
class Excursion:
    """A pair away from its state at the start, over the frames first .. last; `lasting` if it stayed long enough."""

    pair: tuple[int, int]
    first: int
    last: int
    is_broken: bool
    lasting: bool


class BondGraph:
    """All pairs of a trajectory against the graph at its start.

    With R the sum of covalent radii: bonded at the start if r < 1.2 R, r the median over the first frames. A bonded
    pair is away while r > 1.6 R, any other while r < 1.14 R. The change is an event if the pair is away without a
    break for the persistence of the definition; its time is that of the first frame away.

    Attributes:
        pairs: (n_pairs, 2) atoms, 0 the first. distances: (n_frames, n_pairs) Å. radii: (n_pairs,) R in Å.
        bonded: (n_pairs,) at the start.
    """

    def __init__(self, trajectory: Trajectory, definition: Definition, n_first: int = 1) -> None:
        """`n_first` is the number of frames that make the start: one of a molecule at rest, more of a hot one."""
        self.definition, self.time = definition, trajectory.time
        self.n_atoms = len(trajectory.elements)
        first, second = np.triu_indices(self.n_atoms, 1)
        self.pairs = np.column_stack([first, second])
        self.radii = radius_sums(np.array(trajectory.elements))[first, second]
        self.distances = trajectory.distances(first, second)
        self.bonded: Mask = np.median(self.distances[:n_first], axis=0) < definition.bonded * self.radii

    def excursions(self) -> list[Excursion]:
        """All of them, the earliest first."""
        limit = self.definition
        away = np.where(self.bonded, self.distances > limit.broken * self.radii, self._close())
        found = [
            self._excursion(pair, first, last)
            for pair in np.flatnonzero(away.any(axis=0))
            for first, last in stretches(away[:, pair])
        ]
        return sorted(found, key=lambda excursion: excursion.first)

    def first_event(self) -> Excursion | None:
        """The earliest change that lasted."""
        return next((excursion for excursion in self.excursions() if excursion.lasting), None)

    def under_way(self) -> Excursion | None:
        """The earliest change that had not been taken back at the last frame."""
        end = len(self.time) - 1
        return next((excursion for excursion in self.excursions() if excursion.last == end), None)

    def adjacency(self, bonded: Mask) -> Mask:
        """Symmetric matrix (n_atoms, n_atoms) of a mask over pairs."""
        matrix = np.zeros((self.n_atoms, self.n_atoms), dtype=bool)
        matrix[tuple(self.pairs[bonded].T)] = True
        return matrix | matrix.T

    def index(self, pair: tuple[int, int]) -> int:
        """Place of a pair of atoms among the pairs."""
        return int(np.flatnonzero((self.pairs == sorted(pair)).all(axis=1))[0])

    def before(self) -> Mask:
        """Adjacency at the start."""
        return self.adjacency(self.bonded)

    def after(self, excursion: Excursion) -> Mask:
        """Adjacency once the change has happened, by median distances over its first `persistence`.

        Medians, because a fresh bond swings through its limit.
        """
        until = self.time[excursion.first] + self.definition.persistence + ROUNDING
        stretch = slice(excursion.first, max(np.searchsorted(self.time, until), excursion.first + 1))
        middle = np.median(self.distances[stretch], axis=0)
        limit = np.where(self.bonded, self.definition.broken, self.definition.bonded)
        return self.adjacency(middle < limit * self.radii)

    def _close(self) -> Mask:
        return np.asarray(self.distances < self.definition.formed * self.radii)

    def _excursion(self, pair: np.int64, first: int, last: int) -> Excursion:
        i, j = self.pairs[pair]
        lasting = persists(self.time, first, last, self.definition)
        return Excursion((int(i), int(j)), first, last, bool(self.bonded[pair]), lasting)


def persists(time: Array, first: int, last: int, definition: Definition) -> bool:
    """Whether what holds over the frames first .. last holds for the persistence of the definition."""
    return bool(time[last] - time[first] >= definition.persistence - ROUNDING)


def joined(adjacency: Mask, a: int, b: int) -> bool:
    """Whether a path of bonds leads from one atom to the other."""
    _, member = connected_components(adjacency, directed=False)
    return bool(member[a] == member[b])


def stretches(flags: Mask) -> list[tuple[int, int]]:
    """First and last index of every stretch of True."""
    edges = np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8))
    return list(zip(np.flatnonzero(edges == 1).tolist(), (np.flatnonzero(edges == -1) - 1).tolist(), strict=True))
