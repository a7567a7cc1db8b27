"""The dump of a run as MDAnalysis universes in memory, after the checks MDAnalysis leaves to its user."""

import gzip
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO, cast

import MDAnalysis
import numpy as np
from ase.data import chemical_symbols
from MDAnalysis.coordinates.memory import MemoryReader
from MDAnalysis.lib.mdamath import triclinic_vectors
from numpy.typing import NDArray

from lampion.analysis.errors import RunError

_PADDING = 100.0  # Å of empty space along an open direction: no pair reaches its own image through it


@dataclass(frozen=True)
class DumpLayout:
    """What the headers of a dump say. `n_frames` counts whole frames before the first `problem`."""

    columns: list[str]
    n_atoms: int
    periodic: tuple[bool, bool, bool]
    n_frames: int
    problem: str | None


@dataclass(frozen=True)
class Trajectory:
    """Frames of the production part.

    Attributes:
        universe: positions in the box (Å, float32), dimensions per frame; atoms sorted by id.
        step: (n_frames,).
        labels: (n_atoms,) element or `type 1`.
        unwrapped: (n_frames, n_atoms, 3) Å, without jumps across the box; None if the dump has no image flags.
        periodic: per direction.
        problem: why the file holds no more good frames, None if it is whole.
    """

    path: Path
    universe: MDAnalysis.Universe
    step: NDArray[np.int64]
    labels: NDArray[np.str_]
    unwrapped: NDArray[np.float32] | None
    periodic: tuple[bool, bool, bool]
    problem: str | None

    @property
    def n_frames(self) -> int:
        """Number of good frames."""
        return len(self.step)


def find_dump(folder: Path) -> Path:
    """The one `*.dump` or `*.dump.gz` of a run folder.

    Raises:
        RunError: none, or more than one.
    """
    found = sorted([*folder.glob("*.dump"), *folder.glob("*.dump.gz")])
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise RunError(
            f"{folder}: one file *.dump or *.dump.gz is expected, found {names}; remove or rename the others"
        )
    return found[0]


def read_layout(path: Path) -> DumpLayout:
    """Check every frame's frame header without reading numbers: MDAnalysis takes all frames to be like the first one.

    Raises:
        RunError: not a dump MDAnalysis reads rightly (scaled coordinates, UNITS or TIME items), or no whole frame.
    """
    try:
        with _open(path) as lines:
            head = list(islice(lines, 9))
            columns, n_atoms, periodic = _first_header(path, head)
            frames, problem = (
                _count_frames(lines, n_atoms) if _skip_atoms(lines, n_atoms) else (0, "the dump ends inside frame 0")
            )
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise RunError(
            f"{path}: the dump cannot be read ({error}); it is damaged or was cut while being compressed"
        ) from error
    if frames == 0:
        raise RunError(f"{path}: {problem}: there is no whole frame to analyse")
    return DumpLayout(columns, n_atoms, periodic, frames, problem)


def _open(path: Path) -> TextIO:
    return cast(TextIO, gzip.open(path, "rt") if path.suffix == ".gz" else path.open())


def _first_header(path: Path, head: list[str]) -> tuple[list[str], int, tuple[bool, bool, bool]]:
    if any(line.startswith(("ITEM: UNITS", "ITEM: TIME\n")) for line in head):
        raise RunError(
            f"{path}: written with `dump_modify units yes` or `time yes`, which MDAnalysis cannot read; leave them out"
        )
    if len(head) < 9 or not head[0].startswith("ITEM: TIMESTEP") or not head[8].startswith("ITEM: ATOMS"):
        raise RunError(
            f"{path}: not a LAMMPS text dump; write it with `dump ID all custom N {path.name} id type x y z ix iy iz`"
        )
    columns = head[8].split()[2:]
    missing = [name for name in ("id", "type", "x", "y", "z") if name not in columns]
    if missing:
        hint = (
            "scaled coordinates are read wrongly when the box does not start at 0"
            if "xs" in columns
            else "they are needed"
        )
        raise RunError(
            f"{path}: no column {' '.join(missing)} ({hint}); write `dump ... custom ... id type x y z ix iy iz`"
        )
    flags = [word for word in head[4].split() if set(word) <= set("pfsm") and len(word) == 2]
    periodic = tuple(word == "pp" for word in flags)
    if len(periodic) != 3 or not head[3].strip().isdigit():
        raise RunError(f"{path}: the header of frame 0 is damaged or of a general triclinic box; use a restricted one")
    return columns, int(head[3]), (periodic[0], periodic[1], periodic[2])


def _count_frames(lines: Iterator[str], n_atoms: int) -> tuple[int, str | None]:
    """Whole frames like the first one, and what ended the count."""
    frames = 1
    while head := list(islice(lines, 9)):
        if not head[0].startswith("ITEM: TIMESTEP"):
            return frames, f"frame {frames} of the dump does not begin with ITEM: TIMESTEP; the file is damaged there"
        if len(head) == 9 and head[3].strip() != str(n_atoms):
            return (
                frames,
                f"atoms were lost or gained: {n_atoms} in frame 0, {head[3].strip()} in frame {frames} of the dump",
            )
        if len(head) < 9 or not _skip_atoms(lines, n_atoms):
            return frames, f"the dump ends inside frame {frames}"
        frames += 1
    return frames, None


def _skip_atoms(lines: Iterator[str], n_atoms: int) -> bool:
    """Pass over the lines of a frame's atoms; whether all were there, the last one with its end."""
    last, read = "", 0
    for line in islice(lines, n_atoms):
        last, read = line, read + 1
    return read == n_atoms and last.endswith("\n")


def read_trajectory(
    path: Path, *, length: float, first_step: int, last_step: int, elements: dict[int, str]
) -> Trajectory:
    """Read the frames with first_step <= step <= last_step, each step once.

    Args:
        length: Å per unit of length of the run.
        elements: type -> element where the dump has no `element` column.
    Raises:
        RunError: as `read_layout`; no frame in the range of steps; wrong numbers of columns.
    """
    layout = read_layout(path)
    images = [name for name in ("ix", "iy", "iz") if name in layout.columns]
    try:
        source = _open_universe(path, ["id", *images])
    except (ValueError, IndexError) as error:
        raise RunError(f"{path}: frame 0 cannot be read ({error}); the file is damaged") from error
    frames = _Frames(layout, length, (first_step, last_step), len(images) == 3)
    problem = frames.collect(path, source) or layout.problem
    if not frames.step:
        raise RunError(
            f"{path}: no good frame between steps {first_step} and {last_step} of the log: {problem or 'other run?'}"
        )
    unwrapped = np.stack(frames.unwrapped) if frames.unwrapped else None
    labels = _labels(source.atoms, elements)
    step = np.array(frames.step, dtype=np.int64)
    source.trajectory.close()
    source.load_new(
        np.stack(frames.positions), format=MemoryReader, order="fac", dimensions=np.stack(frames.dimensions)
    )
    return Trajectory(path, source, step, labels, unwrapped, layout.periodic, problem)


def _open_universe(path: Path, extra: list[str]) -> MDAnalysis.Universe:
    with warnings.catch_warnings():
        # Masses guessed from nothing, unknown elements: neither is used here.
        warnings.simplefilter("ignore")
        return MDAnalysis.Universe(
            str(path), format="LAMMPSDUMP", topology_format="LAMMPSDUMP", lammps_coordinate_convention="unscaled",
            additional_columns=extra, to_guess=(), dt=1.0,
        )  # fmt: skip


class _Frames:
    """Arrays gathered from the file, up to the first bad frame."""

    def __init__(self, layout: DumpLayout, length: float, steps: tuple[int, int], has_images: bool) -> None:
        self.layout, self.length, self.steps, self.has_images = layout, length, steps, has_images
        self.step: list[int] = []
        self.positions: list[NDArray[np.float32]] = []
        self.unwrapped: list[NDArray[np.float32]] = []
        self.dimensions: list[NDArray[np.float32]] = []

    def collect(self, path: Path, source: MDAnalysis.Universe) -> str | None:
        """Gather frames; the problem met, or None."""
        for frame in range(self.layout.n_frames):
            try:
                now = source.trajectory[frame]
            except (ValueError, IndexError) as error:
                return f"frame {frame} of {path.name} cannot be read ({error})"
            step = int(now.data["step"])
            if problem := _frame_problem(now, frame, step):
                return problem
            # Steps are written twice where a run was restarted.
            if self.steps[0] <= step <= self.steps[1] and (not self.step or step > self.step[-1]):
                self._keep(now, step)
        return None

    def _keep(self, now: MDAnalysis.coordinates.timestep.Timestep, step: int) -> None:
        dimensions = now.dimensions.copy()
        dimensions[:3] *= self.length
        positions = now.positions * np.float32(self.length)
        if self.has_images:
            # MDAnalysis unwraps along box edges taken as orthogonal; the tilted ones are needed.
            shift = np.stack([now.data[name] for name in ("ix", "iy", "iz")], axis=1) @ triclinic_vectors(dimensions)
            self.unwrapped.append((positions + shift).astype(np.float32))
        dimensions[:3] += np.where(self.layout.periodic, 0.0, _PADDING)
        self.step.append(step)
        self.positions.append(positions)
        self.dimensions.append(dimensions)


def _frame_problem(now: MDAnalysis.coordinates.timestep.Timestep, frame: int, step: int) -> str | None:
    where = f"frame {frame} (step {step}) of the dump"
    ids = now.data["id"]
    if (np.diff(ids) == 0).any():
        return f"{where} has atom {int(ids[1:][np.diff(ids) == 0][0])} twice"
    bad = ~np.isfinite(now.positions).all(axis=1)
    if bad.any():
        return f"{where}: the position of atom {int(ids[bad][0])} is not finite"
    if not np.isfinite(now.dimensions).all() or (now.dimensions[:3] <= 0.0).any():
        return f"{where}: the box is not finite"
    return None


def _labels(atoms: MDAnalysis.AtomGroup, elements: dict[int, str]) -> NDArray[np.str_]:
    if hasattr(atoms, "elements") and all(name in chemical_symbols for name in atoms.elements):
        return np.array(atoms.elements, dtype=str)
    return np.array(
        [elements.get(int(kind), f"type {kind}") if kind.isdigit() else kind for kind in atoms.types], dtype=str
    )
