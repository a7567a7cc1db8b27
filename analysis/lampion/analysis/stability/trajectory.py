"""Positions of replicas over time, from dump custom text: the frames kept before a failure, or a sampled run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase.calculators.lammps import convert
from numpy.typing import NDArray

from lampion.analysis.errors import RunError
from lampion.analysis.stability.records import Header

Array = NDArray[np.float64]

HUGE = 1e30  # Å: a period that no distance comes near
_POSITIONS = (("x", "y", "z"), ("xu", "yu", "zu"))
_FORCES = ("fx", "fy", "fz")


@dataclass(frozen=True)
class Trajectory:
    """One replica: `time` (n_frames,) ps, `positions` and, if known, `forces` (n_frames, n_atoms, 3) in Å and eV/Å.

    Positions are unwrapped: no molecule is cut by the boundary. `box` (n_frames, 3): its lengths, Å, infinite where
    it is not periodic; none: there is no box.
    """

    time: Array
    positions: Array
    elements: tuple[str, ...]
    forces: Array | None = None
    box: Array | None = None

    def first(self, n: int) -> "Trajectory":
        """Its first n frames."""
        forces, box = (values[:n] if values is not None else None for values in (self.forces, self.box))
        return Trajectory(self.time[:n], self.positions[:n], self.elements, forces, box)

    def distances(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> Array:
        """(n_frames, n_pairs) Å between atoms, each to the nearest image of the other."""
        vectors = self.positions[:, first] - self.positions[:, second]
        if self.box is not None:
            box = np.where(np.isfinite(self.box), self.box, HUGE)[:, None, :]
            vectors -= box * np.round(vectors / box)
        return np.asarray(np.linalg.norm(vectors, axis=-1))

    def n_finite(self) -> int:
        """Number of frames before the first whose positions or forces are not finite."""
        values = self.positions if self.forces is None else self.positions + self.forces
        bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
        return int(bad[0]) if len(bad) else len(values)

    def finite(self) -> "Trajectory":
        """Its frames before the first that holds what is no number."""
        return self.first(self.n_finite())


class _Frame(NamedTuple):
    """One frame of a dump: step, lengths of the box, names of the columns, and their values (n_atoms, n_columns).

    Elements become NaN.
    """

    step: int
    box: Array
    columns: list[str]
    table: Array


def read_trajectories(paths: Sequence[Path], header: Header, first_step: int = 0) -> dict[int, Trajectory]:
    """Replica -> trajectory, up to the first frame that lacks an atom of it.

    Of several files each goes on from the first step of the next one: a run that was interrupted and resumed.

    Atom ids (r - 1) n + 1 .. r n belong to replica r of n atoms, n from the header; columns `id` and unwrapped
    positions, forces if wanted. A last frame that is not whole is passed over.

    Raises:
        RunError: missing, no text dump, a column missing, a row that cannot be read.
    """
    frames = _joined(paths)
    if not frames:
        raise RunError(f"{paths[0]}: no whole frame in the dump")
    columns = frames[0].columns
    places = _places(paths[0], columns, _POSITIONS)
    force_places = [columns.index(name) for name in _FORCES] if set(_FORCES) <= set(columns) else None
    length, force = (float(convert(1.0, name, header.units, "metal")) for name in ("distance", "force"))
    gathered: dict[int, list[tuple[_Frame, Array]]] = {}
    for frame in frames:
        for replica, rows in _whole_replicas(frame.table[:, columns.index("id")], len(header.elements)):
            gathered.setdefault(replica, []).append((frame, frame.table[rows]))
    found = {}
    for replica, samples in gathered.items():
        time = (np.array([frame.step for frame, _ in samples]) - first_step) * header.time_step
        table = np.stack([part for _, part in samples])
        forces = table[..., force_places] * force if force_places else None
        box = np.stack([frame.box for frame, _ in samples]) * length
        found[replica] = Trajectory(time, table[..., places] * length, header.elements, forces, box)
    return found


def _joined(paths: Sequence[Path]) -> list[_Frame]:
    """Frames of all files in the order of their steps."""
    joined: list[_Frame] = []
    for part in sorted((list(_frames(path)) for path in paths), key=lambda part: part[0].step if part else 0):
        joined = [frame for frame in joined if not part or frame.step < part[0].step] + part
    return joined


def _places(path: Path, columns: list[str], choices: tuple[tuple[str, ...], ...]) -> list[int]:
    for names in choices:
        if {"id", *names} <= set(columns):
            return [columns.index(name) for name in names]
    raise RunError(f"{path}: columns id and x y z (unwrapped) or xu yu zu are needed, the dump has {' '.join(columns)}")


def _frames(path: Path) -> Iterator[_Frame]:
    """Every whole frame."""
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
        table = _table(path, number, columns, lines[8 : 8 + int(lines[2])])
        yield _Frame(int(lines[0]), _box(path, number, lines[3:7]), columns, table)


def _box(path: Path, number: int, lines: list[str]) -> Array:
    """Lengths of an orthogonal box: `ITEM: BOX BOUNDS pp pp ff` and a line for each axis."""
    periodic = [word == "pp" for word in lines[0].split()[3:6]]
    try:
        low, high = np.array([line.split() for line in lines[1:]], dtype=np.float64).T
    except ValueError:
        raise RunError(f"{path}: frame {number} has no orthogonal box: {' '.join(lines)}") from None
    return np.where(periodic, high - low, np.inf)


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
