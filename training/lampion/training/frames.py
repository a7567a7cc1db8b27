"""Labelled configurations in memory: flat arrays over all atoms of all frames plus offsets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lampion.training.errors import DataError
from lampion.training.files import sha256

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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

    Attributes:
        type_names: chemical element (or type name) of each type index.
        sources: the files the labels came from.
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

    def __len__(self) -> int:
        return len(self.energy)

    def atoms_of(self, frame: int) -> slice:
        """Rows of the per-atom arrays that belong to one frame."""
        return slice(int(self.offsets[frame]), int(self.offsets[frame + 1]))

    @property
    def n_atoms(self) -> Ints:
        """Atoms per frame, (n_frames,)."""
        return np.diff(self.offsets)

    def select(self, frames: Sequence[int] | Ints) -> "Frames":
        """The frames with the given indices, in that order."""
        index = np.asarray(frames, dtype=np.int64)
        counts = self.n_atoms[index]
        rows = np.concatenate([np.arange(self.offsets[f], self.offsets[f + 1]) for f in index])
        return replace(
            self,
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            types=self.types[rows],
            positions=self.positions[rows],
            forces=self.forces[rows],
            velocities=None if self.velocities is None else self.velocities[rows],
            cell=self.cell[index],
            pbc=self.pbc[index],
            energy=self.energy[index],
            step=self.step[index],
            stress=None if self.stress is None else self.stress[index],
        )


def check_finite(frames: Frames, origin: str) -> None:
    """Refuse NaN or infinity in labels and positions.

    Raises:
        DataError: names the file, the first bad frame and atom, and the quantity.
    """
    for name in ("positions", "forces"):
        bad = np.flatnonzero(~np.isfinite(getattr(frames, name)).all(axis=1))
        if len(bad):
            frame = int(np.searchsorted(frames.offsets, bad[0], side="right")) - 1
            atom = int(bad[0] - frames.offsets[frame]) + 1
            raise DataError(
                f"{origin}: frame {frame} (step {frames.step[frame]}), atom {atom}: {name} are not finite; "
                "the run that wrote it blew up: remove the frame and all after it"
            )
    bad = np.flatnonzero(~np.isfinite(frames.energy))
    if len(bad):
        raise DataError(f"{origin}: frame {bad[0]} (step {frames.step[bad[0]]}): the energy is not finite")


def mean_energy_per_type(frames: Frames) -> Floats:
    """Least-squares energy per atom of each type, (n_types,), eV: min |Σ_types n e - E|², smallest norm if singular."""
    counts = np.stack(
        [np.bincount(frames.types[frames.atoms_of(f)], minlength=len(frames.type_names)) for f in range(len(frames))]
    )
    solution = np.linalg.lstsq(counts.astype(np.float64), frames.energy, rcond=None)[0]
    return solution.astype(np.float64)


def type_indices(names: Iterable[str], type_names: Sequence[str]) -> Ints:
    """Index of each name in `type_names`."""
    index = {name: position for position, name in enumerate(type_names)}
    return np.array([index[name] for name in names], dtype=np.int64)
