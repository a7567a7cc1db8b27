"""Frames that occur twice: bit by bit, or turned, moved or rounded."""

import hashlib
from dataclasses import dataclass

import numpy as np

from lampion.training.data.frames import Floats, Frames, composition
from lampion.training.data.neighbors import neighbor_edges

#: Two frames are the same if energies agree to this (eV/atom) and sorted distances to that (Å).
SAME_ENERGY, SAME_DISTANCE = 1e-6, 1e-4
REACH = 6.0


@dataclass(frozen=True)
class Duplicates:
    """Pairs of frames (earlier, later).

    Attributes:
        exact: the same positions, cell and elements bit by bit.
        contradictory: those of `exact` whose labels differ.
        near: the same distances and energy, in other words turned, moved, mirrored or rounded.
    """

    exact: list[tuple[int, int]]
    contradictory: list[tuple[int, int]]
    near: list[tuple[int, int]]


def find_duplicates(frames: Frames) -> Duplicates:
    """All three kinds."""
    exact = exact_duplicates(frames)
    known = {later for _, later in exact}
    contradictory = [pair for pair in exact if not _same_labels(frames, *pair)]
    near = [pair for pair in _energy_neighbors(frames) if not known & set(pair) and _same_shape(frames, *pair)]
    return Duplicates(exact, contradictory, near)


def exact_duplicates(frames: Frames) -> list[tuple[int, int]]:
    """Frames that repeat the atoms, positions and cell of an earlier one bit by bit: (earlier, later)."""
    seen: dict[bytes, int] = {}
    found = []
    for f in range(len(frames)):
        rows = frames.atoms_of(f)
        digest = hashlib.blake2b(frames.types[rows].tobytes(), digest_size=16)
        digest.update(frames.positions[rows].tobytes())
        digest.update(frames.cell[f].tobytes())
        first = seen.setdefault(digest.digest(), f)
        if first != f:
            found.append((first, f))
    return found


def _same_labels(frames: Frames, a: int, b: int) -> bool:
    forces = frames.forces[frames.atoms_of(a)], frames.forces[frames.atoms_of(b)]
    energies = np.isclose(frames.energy[a], frames.energy[b], rtol=0, atol=1e-4)
    return bool(energies and np.allclose(*forces, rtol=0, atol=1e-3))


def _energy_neighbors(frames: Frames) -> list[tuple[int, int]]:
    """Pairs next to each other when sorted by composition and energy, and equal in both."""
    counts = composition(frames)
    order = np.lexsort((frames.energy, *counts.T))
    a, b = order[:-1], order[1:]
    close = np.abs(frames.energy[b] - frames.energy[a]) < SAME_ENERGY * frames.n_atoms[a]
    same = close & (counts[a] == counts[b]).all(axis=1)
    pairs = np.sort(np.stack([a[same], b[same]], axis=1), axis=1)
    return [(int(first), int(second)) for first, second in pairs]


def _same_shape(frames: Frames, a: int, b: int) -> bool:
    first, second = _distances(frames, a), _distances(frames, b)
    return len(first) == len(second) and bool(np.allclose(first, second, rtol=0, atol=SAME_DISTANCE))


def _distances(frames: Frames, frame: int) -> Floats:
    """Sorted distances up to `REACH`: no rotation, shift or renumbering changes them."""
    rows = frames.atoms_of(frame)
    _, vectors = neighbor_edges(frames.positions[rows], frames.cell[frame], frames.pbc[frame], REACH)
    return np.sort(np.linalg.norm(vectors, axis=1))
