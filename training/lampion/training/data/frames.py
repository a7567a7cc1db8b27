"""Labelled configurations: flat arrays over all atoms of all frames plus offsets, in memory or mapped from a file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lampion.training import keys
from lampion.training.errors import DataError
from lampion.training.files import sha256

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PER_FRAME = (keys.CELL, keys.PBC, keys.ENERGY, keys.STEP, keys.STRESS)
PER_ATOM = (keys.TYPES, keys.POSITIONS, keys.FORCES, keys.VELOCITIES)


@dataclass(frozen=True)
class Source:
    """One file the labels came from."""

    path: str
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "Source":
        """Name and fingerprint of a file."""
        return cls(str(path), sha256(path))


@dataclass(frozen=True)
class Frames:
    """Labelled frames; shapes and units of every array are in `keys`.

    Arrays read from HDF5 are mapped from the file, read-only: pages are loaded when used and need not fit in memory.

    Attributes:
        type_names: chemical element (or type name) of each type index.
        sources: the files the labels came from.
        isolated: energy of the isolated atom of each type name, eV, where the data tell it.
        file: the HDF5 file the arrays are mapped from; none for arrays in memory.
    """

    type_names: tuple[str, ...]
    offsets: Ints
    types: Ints
    positions: Floats
    cell: Floats
    pbc: NDArray[np.bool_]
    energy: Floats
    forces: Floats
    step: Ints
    stress: Floats | None = None
    velocities: Floats | None = None
    sources: tuple[Source, ...] = field(default=())
    isolated: Mapping[str, float] = field(default_factory=dict)
    file: Path | None = None

    def __len__(self) -> int:
        return len(self.energy)

    def atoms_of(self, frame: int) -> slice:
        """Rows of the per-atom arrays that belong to one frame."""
        return slice(int(self.offsets[frame]), int(self.offsets[frame + 1]))

    @property
    def n_atoms(self) -> Ints:
        """Atoms per frame, (n_frames,)."""
        return np.diff(self.offsets)

    def between(self, start: int, stop: int) -> "Frames":
        """Consecutive frames start .. stop-1, as views: nothing is copied."""
        rows = slice(int(self.offsets[start]), int(self.offsets[stop]))
        arrays: dict[str, Any] = {name: value[start:stop] for name, value in self._arrays(PER_FRAME)}
        arrays |= {name: value[rows] for name, value in self._arrays(PER_ATOM)}
        return replace(self, offsets=self.offsets[start : stop + 1] - self.offsets[start], **arrays)

    def chunks(self, n_atoms: int = 20_000) -> Iterator["Frames"]:
        """All frames in pieces of about `n_atoms` atoms: what goes through them piece by piece needs little memory."""
        start = 0
        while start < len(self):
            stop = int(np.searchsorted(self.offsets, self.offsets[start] + n_atoms, side="right")) - 1
            stop = max(stop, start + 1)
            yield self.between(start, stop)
            start = stop

    def _arrays(self, names: Sequence[str]) -> list[tuple[str, np.ndarray]]:
        return [(name, getattr(self, name)) for name in names if getattr(self, name) is not None]

    def select(self, frames: Sequence[int] | Ints) -> "Frames":
        """Copies of the frames with the given indices, in that order."""
        index = np.asarray(frames, dtype=np.int64)
        rows = np.concatenate([np.arange(self.offsets[f], self.offsets[f + 1]) for f in index])
        arrays: dict[str, Any] = {name: np.asarray(value[index]) for name, value in self._arrays(PER_FRAME)}
        arrays |= {name: np.asarray(value[rows]) for name, value in self._arrays(PER_ATOM)}
        return replace(self, offsets=offsets_of(self.n_atoms[index]), file=None, **arrays)

    def renumbered(self, type_names: Sequence[str]) -> "Frames":
        """The same frames with types numbered by another list of names, which must hold all of theirs."""
        if tuple(type_names) == self.type_names:
            return self
        renumber = np.array([list(type_names).index(name) for name in self.type_names], dtype=np.int64)
        return replace(self, type_names=tuple(type_names), types=renumber[self.types])


def offsets_of(n_atoms: Sequence[int] | Ints) -> Ints:
    """Offsets of frames with the given numbers of atoms, (n_frames + 1,)."""
    return np.concatenate([[0], np.cumsum(n_atoms)]).astype(np.int64)


def concatenate(parts: Sequence[Frames]) -> Frames:
    """Frames of several pieces, one after the other; all with the optional labels that the first one has.

    Type names are the sorted union. Isolated atoms and sources are joined, those named twice once.
    """
    names = tuple(sorted({name for part in parts for name in part.type_names}))
    parts = [part.renumbered(names) for part in parts]
    present = [name for name in (*PER_FRAME, *PER_ATOM) if getattr(parts[0], name) is not None]
    arrays: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in present}
    return Frames(
        type_names=names,
        offsets=offsets_of(np.concatenate([part.n_atoms for part in parts])),
        sources=tuple(dict.fromkeys(source for part in parts for source in part.sources)),
        isolated={name: energy for part in parts for name, energy in part.isolated.items()},
        **arrays,
    )


def check_finite(frames: Frames, origin: str, numbers: Sequence[int] | None = None) -> None:
    """Refuse NaN or infinity in labels and positions.

    Args:
        frames: labelled frames.
        origin: the file they came from.
        numbers: of the frames in that file; none: 0, 1, ...

    Raises:
        DataError: names the file, the first bad frame and atom, and the quantity.
    """
    numbers = range(len(frames)) if numbers is None else numbers
    for name, values in frames._arrays(PER_ATOM):
        bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
        if len(bad):
            frame = int(np.searchsorted(frames.offsets, bad[0], side="right")) - 1
            atom = int(bad[0] - frames.offsets[frame]) + 1
            raise DataError(
                f"{origin}: frame {numbers[frame]} (step {frames.step[frame]}), atom {atom}: {name} are not finite; "
                "the run that wrote it blew up: remove the frame and all after it"
            )
    for name, values in frames._arrays(PER_FRAME):
        bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
        if len(bad):
            raise DataError(
                f"{origin}: frame {numbers[bad[0]]} (step {frames.step[bad[0]]}): the {name} is not finite; remove it"
            )


def composition(frames: Frames) -> Floats:
    """Atoms of each type in each frame, (n_frames, n_types); read piece by piece."""
    n_types = len(frames.type_names)
    return np.concatenate([count_types(chunk.types, chunk.n_atoms, n_types) for chunk in frames.chunks()])


def count_types(types: Ints, n_atoms: Ints, n_types: int) -> Floats:
    """Atoms of each type in each frame, (n_frames, n_types).

    Args:
        types: (n_atoms,), of the atoms of all frames one after the other.
        n_atoms: (n_frames,), atoms per frame.
        n_types: number of types.
    """
    frame_of_atom = np.repeat(np.arange(len(n_atoms)), n_atoms)
    counts = np.bincount(frame_of_atom * n_types + types, minlength=len(n_atoms) * n_types)
    return counts.reshape(len(n_atoms), n_types).astype(np.float64)


def mean_energy_per_type(frames: Frames) -> Floats:
    """Least-squares energy per atom of each type, (n_types,), eV: min |Σ_types n e - E|², smallest norm if singular."""
    solution = np.linalg.lstsq(composition(frames), np.asarray(frames.energy), rcond=None)[0]
    return solution.astype(np.float64)


def type_indices(names: Iterable[str], type_names: Sequence[str]) -> Ints:
    """Index of each name in `type_names`."""
    index = {name: position for position, name in enumerate(type_names)}
    return np.array([index[name] for name in names], dtype=np.int64)
