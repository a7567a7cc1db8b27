"""Neighbour lists of many frames: flat arrays, in memory or in a file that is made once and mapped afterwards.

An edge takes 14 bytes: two atoms of its frame (int32) and the shift of the neighbour's image (int16). Vectors are
computed when a graph is made.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from lampion.training import keys
from lampion.training.data.frames import Floats, Frames, Ints, offsets_of
from lampion.training.data.neighbors import neighbor_pairs, opposite_edges, vectors_of
from lampion.training.data.spool import Spool, create, mapped
from lampion.training.files import atomic_path

FORMAT = "lampion-neighbors/1"
FOLDER = ".lampion-neighbors"


@dataclass(frozen=True)
class NeighborLists:
    """Directed pairs of all frames within a cutoff, sorted by frame and centre.

    Attributes:
        offsets: (n_frames + 1,), edges of frame f are rows offsets[f] .. offsets[f+1]-1.
        pairs: (n_edges, 2) int32, centre and neighbour, counted within the frame.
        shifts: (n_edges, 3) int16, image of the neighbour in units of the cell vectors.
    """

    offsets: Ints
    pairs: np.ndarray
    shifts: np.ndarray

    def edges(self, frames: Frames, frame: int) -> tuple[Ints, Floats, Ints]:
        """Of one frame: edge_index (2, n_edges), edge_vectors (n_edges, 3), row of the opposite edge (n_edges,)."""
        rows = slice(int(self.offsets[frame]), int(self.offsets[frame + 1]))
        edge_index = self.pairs[rows].T.astype(np.int64)
        atoms = frames.atoms_of(frame)
        shifts = self.shifts[rows].astype(np.int64)
        vectors = vectors_of(frames.positions[atoms], frames.cell[frame], edge_index, shifts)
        return edge_index, vectors, opposite_edges(edge_index, shifts)


def compute_lists(frames: Frames, cutoff: float) -> NeighborLists:
    """Neighbour lists in memory."""
    counts, pairs, shifts = zip(*_each(frames, cutoff), strict=True)
    return NeighborLists(offsets_of(counts), np.concatenate(pairs), np.concatenate(shifts))


def _each(frames: Frames, cutoff: float) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    for f in range(len(frames)):
        edge_index, shifts = neighbor_pairs(frames.positions[frames.atoms_of(f)], frames.cell[f], frames.pbc[f], cutoff)
        yield edge_index.shape[1], edge_index.T.astype(np.int32), shifts.astype(np.int16)


def cached_lists(frames: Frames, cutoff: float, data: Path) -> NeighborLists:
    """Neighbour lists mapped from a file beside the data, made first if it is not there.

    The file's name is a fingerprint of geometry and cutoff, so it cannot belong to other data. It is written under
    another name and renamed: processes that make it at once each write the same, and none sees a half file.

    Args:
        frames: the frames.
        cutoff: Å.
        data: the file of the frames; where its folder cannot be written to, the user's cache folder is used.
    """
    name = f"{fingerprint(frames, cutoff)[:32]}.h5"
    path = _writable(data.parent / FOLDER) / name
    if not path.exists():
        _write(frames, cutoff, path)
    try:
        return _read(path)
    except (OSError, KeyError):  # cut short by a full disk or a crash of the machine
        _write(frames, cutoff, path)
        return _read(path)


def fingerprint(frames: Frames, cutoff: float) -> str:
    """SHA-256 of everything a neighbour list depends on."""
    digest = hashlib.sha256(f"{FORMAT} {cutoff!r}".encode())
    for chunk in frames.chunks():
        for values in (chunk.n_atoms, chunk.positions, chunk.cell, chunk.pbc):
            digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _writable(folder: Path) -> Path:
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
    if os.access(folder, os.W_OK):
        return folder
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lampion" / "neighbors"


def _write(frames: Frames, cutoff: float, path: Path) -> None:
    with atomic_path(path) as temporary, Spool(temporary) as spool:
        for chunk in frames.chunks():
            lists = compute_lists(chunk, cutoff)
            spool.append("counts", np.diff(lists.offsets))
            spool.append("pairs", lists.pairs)
            spool.append("shifts", lists.shifts)
        with create(temporary, {"format": FORMAT, "cutoff": cutoff}) as file:
            file.create_dataset(keys.OFFSETS, data=offsets_of(np.concatenate(list(spool.pieces("counts")))))
            spool.write("pairs", file)
            spool.write("shifts", file)


def _read(path: Path) -> NeighborLists:
    with h5py.File(path, "r") as file:
        return NeighborLists(*(mapped(path, file[name]) for name in (keys.OFFSETS, "pairs", "shifts")))
