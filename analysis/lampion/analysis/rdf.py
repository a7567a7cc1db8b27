"""Pair distribution functions g(r), one per pair of elements, with an error bar from blocks of the run."""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import MDAnalysis
import numpy as np
from MDAnalysis.analysis.base import AnalysisBase
from MDAnalysis.lib.distances import self_capped_distance
from MDAnalysis.lib.mdamath import triclinic_vectors
from numpy.typing import NDArray

from lampion.analysis.blocks import block_means, half_width

Array = NDArray[np.float64]

R_MAX = 10.0
BIN_WIDTH = 0.1


@dataclass(frozen=True)
class Structure:
    """g(r) of one pair: `r` (n_bins,) Å bin centres, `g` (n_bins,), `error` (n_bins,) half of the 95 % interval."""

    r: Array
    g: Array
    error: Array


class PairDistribution(AnalysisBase):
    """g(r) of every pair of labels, frame by frame.

    g_AB(r) = V n(r) / (N_AB v(r)): n(r) pairs A-B whose distance lies in the bin, v(r) the volume of its shell,
    N_AB = N_A N_B pairs in all (N_A (N_A - 1)/2 if A = B), V the volume of that frame's box.
    Results: `g`, pair name -> (n_frames, n_bins); `edges` (n_bins + 1,) Å.
    """

    def __init__(self, universe: MDAnalysis.Universe, labels: NDArray[np.str_], *, r_max: float) -> None:
        super().__init__(universe.trajectory)
        self._atoms = universe.atoms
        self._names, self._index = np.unique(labels, return_inverse=True)
        self._r_max = r_max

    def _prepare(self) -> None:
        self.results.edges = np.linspace(0.0, self._r_max, max(1, round(self._r_max / BIN_WIDTH)) + 1)
        self._shells = 4.0 / 3.0 * np.pi * np.diff(self.results.edges**3)
        self._pairs = _pair_counts(self._names, self._index)
        n_bins = len(self._shells)
        self.results.g = {name: np.zeros((self.n_frames, n_bins)) for name, _, _ in self._pairs}

    def _single_frame(self) -> None:
        box = self._ts.dimensions
        found, distance = self_capped_distance(self._atoms.positions, max_cutoff=self._r_max, box=box)
        kinds = np.sort(self._index[found], axis=1)
        volume = np.linalg.det(triclinic_vectors(box))
        for name, kind, n_pairs in self._pairs:
            counts = np.histogram(distance[(kinds == kind).all(axis=1)], bins=self.results.edges)[0]
            self.results.g[name][self._frame_index] = counts * volume / (n_pairs * self._shells)


def _pair_counts(names: NDArray[np.str_], index: NDArray[np.intp]) -> list[tuple[str, tuple[int, int], float]]:
    """Name, label indices and number of pairs of every pair that occurs."""
    n = np.bincount(index)
    pairs = combinations_with_replacement(range(len(names)), 2)
    counted = [(f"{names[a]}-{names[b]}", (a, b), n[a] * (n[a] - 1) / 2 if a == b else n[a] * n[b]) for a, b in pairs]
    return [pair for pair in counted if pair[2] > 0]


def largest_radius(dimensions: NDArray[np.float32]) -> float:
    """Å: the smaller of 10 Å and half the shortest height of any box; dimensions (n_frames, 6)."""
    heights = [1.0 / np.linalg.norm(np.linalg.inv(triclinic_vectors(box)), axis=0).max() for box in dimensions]
    return float(min(R_MAX, 0.5 * min(heights)))


def pair_structures(universe: MDAnalysis.Universe, labels: NDArray[np.str_], *, r_max: float) -> dict[str, Structure]:
    """g(r) per pair name (`Ar-Ar`), averaged over the frames; 95 % interval from the means of up to ten blocks.

    Raises:
        ValueError: fewer than 4 frames.
    """
    analysis = PairDistribution(universe, labels, r_max=r_max).run()
    edges = analysis.results.edges
    centres = 0.5 * (edges[1:] + edges[:-1])
    return {
        name: Structure(centres, g.mean(axis=0), half_width(block_means(g))) for name, g in analysis.results.g.items()
    }


def mean_absolute_error(one: Structure, other: Structure) -> float:
    """Mean over r of |g_1(r) - g_2(r)| on common bins, from 0 to r_max; a pure number."""
    return float(np.abs(one.g - other.g).mean())


def expected_noise(one: Structure, other: Structure) -> float:
    """Mean absolute difference that two runs of the same system would show by their finite length alone.

    √(2/π) times the mean over r of √(σ_1² + σ_2²), σ being the standard errors (the 95 % half width over 2).
    """
    return float(np.sqrt(2.0 / np.pi) * 0.5 * np.hypot(one.error, other.error).mean())
