"""Validating float64 reader of LAMMPS `dump custom` text.

Own code because readers made for analysis (ASE, MDAnalysis) accept NaN, duplicate ids and truncated frames in
silence and keep single precision; labels must not pass through them.
"""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from lampion.training.data.frames import Floats
from lampion.training.errors import DataError

REQUIRED = ("id", "x", "y", "z", "fx", "fy", "fz")
SCALED = ("xs", "ys", "zs", "xsu", "ysu", "zsu", "xu", "yu", "zu")


@dataclass(frozen=True)
class DumpFrame:
    """One frame as written, in the units of the simulation; atoms sorted by id.

    Attributes:
        step: time step.
        cell: (3, 3), rows are the box vectors.
        origin: (3,), lower corner of the box.
        pbc: (3,) periodic or not.
        columns: name -> (n_atoms,) array; float64, or str for `element`.
        digits: most significant digits found in the force columns of the first atoms.
    """

    step: int
    cell: Floats
    origin: Floats
    pbc: tuple[bool, bool, bool]
    columns: dict[str, np.ndarray]
    digits: int

    def vectors(self, *names: str) -> Floats:
        """Columns side by side, (n_atoms, len(names))."""
        return np.stack([self.columns[name] for name in names], axis=1).astype(np.float64)


class _Lines:
    """Lines of a dump with the place they stand at, for error messages."""

    def __init__(self, path: Path, stream: TextIO) -> None:
        self.path, self.stream = path, stream
        self.line, self.frame, self.step = 0, 0, -1

    def fail(self, message: str) -> DataError:
        where = f"frame {self.frame}" + (f" (step {self.step})" if self.step >= 0 else "")
        return DataError(f"{self.path}:{self.line}: {where}: {message}")

    def read(self) -> str:
        """Next line without its end; empty at the end of the file."""
        try:
            text = self.stream.readline()
        except (EOFError, OSError, UnicodeDecodeError) as error:
            raise self.fail(f"cannot be read further ({error}); the file is damaged or cut off") from None
        self.line += 1
        if text and not text.endswith("\n"):
            raise self.fail("the last line is cut off; the run was probably killed: run it again or remove this frame")
        return text.rstrip()

    def need(self, what: str) -> str:
        text = self.read()
        if not text:
            raise self.fail(
                f"the file ends where {what} should follow; the run was probably killed: run it again or "
                "remove this frame"
            )
        return text

    def numbers(self, text: str, count: int, what: str) -> list[float]:
        try:
            values = [float(word) for word in text.split()]
        except ValueError:
            values = []
        if len(values) != count:
            raise self.fail(f"expected {count} numbers ({what}), got '{text[:60]}'")
        return values


def read_dump(path: Path) -> Iterator[DumpFrame]:
    """Frames of a `dump custom` text file, plain or .gz, in the order of the file.

    Raises:
        DataError: names file, line, frame and remedy: not a dump, truncated, columns missing, wrong number of
            columns, not a number, duplicate ids, number of atoms changes.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="ascii") as stream:
        lines = _Lines(path, stream)
        n_first: int | None = None
        while header := lines.read():
            frame = _read_frame(lines, header)
            n_atoms = len(frame.columns["id"])
            if n_first is not None and n_atoms != n_first:
                raise lines.fail(
                    f"{n_atoms} atoms where the frames before have {n_first}; atoms were lost or added: "
                    "labels need a constant number of atoms"
                )
            n_first = n_atoms
            yield frame
            lines.frame, lines.step = lines.frame + 1, -1
        if n_first is None:
            raise DataError(f"{path}: is empty; expected a LAMMPS dump")


def _read_frame(lines: _Lines, header: str) -> DumpFrame:
    if header != "ITEM: TIMESTEP":
        hint = (
            "write the dump without `dump_modify units/time yes`"
            if header in ("ITEM: UNITS", "ITEM: TIME")
            else ("this is not LAMMPS `dump custom` text, or lines are missing before it")
        )
        raise lines.fail(f"expected 'ITEM: TIMESTEP', got '{header[:60]}'; {hint}")
    lines.step = int(lines.numbers(lines.need("the time step"), 1, "time step")[0])
    if lines.need("ITEM: NUMBER OF ATOMS") != "ITEM: NUMBER OF ATOMS":
        raise lines.fail("expected 'ITEM: NUMBER OF ATOMS'")
    n_atoms = int(lines.numbers(lines.need("the number of atoms"), 1, "number of atoms")[0])
    cell, origin, pbc = _read_box(lines)
    names = lines.need("ITEM: ATOMS").split()
    if names[:2] != ["ITEM:", "ATOMS"]:
        raise lines.fail("expected 'ITEM: ATOMS' with the names of the columns")
    names = names[2:]
    _check_columns(lines, names)
    words = _read_rows(lines, n_atoms, len(names))
    columns = _columns(lines, names, words)
    order = np.argsort(columns["id"], kind="stable")
    force_words = [row[names.index(axis)] for row in words[:20] for axis in ("fx", "fy", "fz")]
    return DumpFrame(
        step=lines.step,
        cell=cell,
        origin=origin,
        pbc=pbc,
        columns={name: values[order] for name, values in columns.items()},
        digits=max((_significant_digits(word) for word in force_words), default=17),
    )


def _read_box(lines: _Lines) -> tuple[Floats, Floats, tuple[bool, bool, bool]]:
    words = lines.need("ITEM: BOX BOUNDS").split()
    if words[:3] != ["ITEM:", "BOX", "BOUNDS"] or words[3:5] == ["abc", "origin"]:
        raise lines.fail("expected 'ITEM: BOX BOUNDS'; write general triclinic boxes without `triclinic/general yes`")
    triclinic = words[3:6] == ["xy", "xz", "yz"]
    flags = words[6:9] if triclinic else words[3:6]
    rows = np.array([lines.numbers(lines.need("the box"), 2 + triclinic, "box bounds") for _ in range(3)])
    xy, xz, yz = rows[:, 2] if triclinic else (0.0, 0.0, 0.0)
    # LAMMPS writes the bounding box of a tilted cell: https://docs.lammps.org/Howto_triclinic.html
    low = rows[:, 0] - [min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0]
    high = rows[:, 1] - [max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0]
    lx, ly, lz = high - low
    cell = np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]])
    return cell, low, (flags[0] == "pp", flags[1] == "pp", flags[2] == "pp")


def _check_columns(lines: _Lines, names: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        scaled = [name for name in names if name in SCALED]
        hint = f"; {' '.join(scaled)} will not do" if scaled else ""
        raise lines.fail(
            f"columns {' '.join(missing)} are missing (found: {' '.join(names)}){hint}; "
            "write `dump ID all custom N FILE id type element x y z ix iy iz vx vy vz fx fy fz`"
        )


def _read_rows(lines: _Lines, n_atoms: int, n_columns: int) -> list[list[str]]:
    rows: list[list[str]] = []
    for _ in range(n_atoms):
        text = lines.need(f"atom {len(rows) + 1} of {n_atoms}")
        row = text.split()
        if text.startswith("ITEM:"):
            raise lines.fail(f"{len(rows)} of {n_atoms} atoms, then the next frame; lines are missing")
        if len(row) != n_columns:
            raise lines.fail(f"{len(row)} columns where the header names {n_columns}")
        rows.append(row)
    return rows


def _columns(lines: _Lines, names: list[str], words: list[list[str]]) -> dict[str, np.ndarray]:
    table = np.array(words)
    columns: dict[str, np.ndarray] = {}
    for position, name in enumerate(names):
        if name == "element":
            columns[name] = table[:, position]
            continue
        try:
            columns[name] = table[:, position].astype(np.float64)
        except ValueError as error:
            raise lines.fail(f"column {name}: {error}") from None
    ids, counts = np.unique(columns["id"], return_counts=True)
    if (counts > 1).any():
        raise lines.fail(f"atom id {int(ids[counts > 1][0])} appears {counts.max()} times; two runs wrote one file?")
    return columns


def _significant_digits(word: str) -> int:
    mantissa = word.lower().split("e")[0].lstrip("+-").replace(".", "").lstrip("0")
    return len(mantissa)
