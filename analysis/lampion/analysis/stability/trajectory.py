"""Positions of replicas over time, from dump custom text: the frames kept before a failure, or a sampled run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.calculators.lammps import convert
from numpy.typing import NDArray

from lampion.analysis.errors import RunError
from lampion.analysis.stability.records import Header

Array = NDArray[np.float64]

_POSITIONS = (("x", "y", "z"), ("xu", "yu", "zu"))
_FORCES = ("fx", "fy", "fz")


@dataclass(frozen=True)
class Trajectory:
    """One molecule: `time` (n_frames,) ps, `positions` and, if known, `forces` (n_frames, n_atoms, 3) in Å and eV/Å.

    Positions are unwrapped: no molecule is cut by the boundary.
    """

    time: Array
    positions: Array
    elements: tuple[str, ...]
    forces: Array | None = None

    def first(self, n: int) -> "Trajectory":
        """Its first n frames."""
        forces = self.forces[:n] if self.forces is not None else None
        return Trajectory(self.time[:n], self.positions[:n], self.elements, forces)

    def n_finite(self) -> int:
        """Number of frames before the first whose positions or forces are not finite."""
        values = self.positions if self.forces is None else self.positions + self.forces
        bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
        return int(bad[0]) if len(bad) else len(values)

    def finite(self) -> "Trajectory":
        """Its frames before the first that holds what is no number."""
        return self.first(self.n_finite())


def read_trajectories(path: Path, header: Header, first_step: int = 0) -> dict[int, Trajectory]:
    """Replica -> trajectory, up to the first frame that lacks an atom of it.

    Atom ids (r - 1) n + 1 .. r n belong to replica r of n atoms, n from the header; columns `id` and unwrapped
    positions, forces if wanted. A last frame that is not whole is passed over.

    Raises:
        RunError: missing, no text dump, a column missing, a row that cannot be read.
    """
    frames = list(_frames(path))
    if not frames:
        raise RunError(f"{path}: no whole frame in the dump")
    columns = frames[0][1]
    places = _places(path, columns, _POSITIONS)
    force_places = [columns.index(name) for name in _FORCES] if set(_FORCES) <= set(columns) else None
    length, force = (float(convert(1.0, name, header.units, "metal")) for name in ("distance", "force"))
    gathered: dict[int, list[tuple[int, Array]]] = {}
    for step, _, table in frames:
        for replica, rows in _whole_replicas(table[:, columns.index("id")], len(header.elements)):
            gathered.setdefault(replica, []).append((step, table[rows]))
    found = {}
    for replica, samples in gathered.items():
        time = (np.array([step for step, _ in samples]) - first_step) * header.time_step
        table = np.stack([part for _, part in samples])
        forces = table[..., force_places] * force if force_places else None
        found[replica] = Trajectory(time, table[..., places] * length, header.elements, forces)
    return found


def _places(path: Path, columns: list[str], choices: tuple[tuple[str, ...], ...]) -> list[int]:
    for names in choices:
        if {"id", *names} <= set(columns):
            return [columns.index(name) for name in names]
    raise RunError(f"{path}: columns id and x y z (unwrapped) or xu yu zu are needed, the dump has {' '.join(columns)}")


def _frames(path: Path) -> Iterator[tuple[int, list[str], Array]]:
    """Step, columns and table (n_atoms, n_columns) of every whole frame; elements become NaN."""
    try:
        chunks = path.read_text(encoding="utf-8").split("ITEM: TIMESTEP\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: the dump cannot be read ({error})") from error
    if chunks[0].strip():
        raise RunError(f"{path}: not a LAMMPS text dump: it does not begin with ITEM: TIMESTEP")
    for number, chunk in enumerate(chunks[1:]):
        lines = chunk.split("\n")
        if len(lines) < 8 or len(lines) < 9 + int(lines[2]):
            if number == len(chunks) - 2:
                return  # cut by a kill
            raise RunError(f"{path}: frame {number} is not whole; the file is damaged there")
        columns = lines[7].split()[2:]
        yield int(lines[0]), columns, _table(path, number, columns, lines[8 : 8 + int(lines[2])])


def _table(path: Path, number: int, columns: list[str], lines: list[str]) -> Array:
    words = [line.split() for line in lines]
    if any(len(row) != len(columns) for row in words):
        raise RunError(f"{path}: frame {number} has rows of other than {len(columns)} words; the file is damaged there")
    if "element" in columns:
        name = columns.index("element")
        for row in words:
            row[name] = "nan"
    try:
        return np.array(words, dtype=np.float64)
    except ValueError as error:
        raise RunError(f"{path}: frame {number} cannot be read ({error}); the file is damaged there") from error


def _whole_replicas(ids: Array, n_atoms: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Replica and the rows of its atoms in the order of their ids, for replicas that have them all."""
    order = np.argsort(ids)
    replica = (ids[order].astype(np.int64) - 1) // n_atoms + 1
    starts = np.flatnonzero(np.diff(replica, prepend=0))
    for rows in np.split(order, starts[1:]):
        if len(rows) == n_atoms:
            yield int(ids[rows[0]] - 1) // n_atoms + 1, rows
