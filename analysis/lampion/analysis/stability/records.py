"""The text files of `fix lampion/replicas`: what every replica did, and which were taken out."""

from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path

import numpy as np
from ase.calculators.lammps import convert
from ase.data import atomic_numbers
from numpy.typing import NDArray

from lampion.analysis.errors import RunError
from lampion.analysis.thermo import UNIT_STYLES

Array = NDArray[np.float64]

FIRST_LINE = "# lampion replicas 1"
_MAX_HEADER = 20  # lines
RECORD_COLUMNS = ["step", "replica", "pe", "ke", "temperature", "fmax", "dmin", "n_broken", "n_formed"]
FAILURE_COLUMNS = ["replica", "step", "detected", "kind", "atom_i", "atom_j", "value"]
#: what `value` of a failure measures, by kind; None: a number without a unit
KINDS = {
    "nonfinite": None,
    "force": "force",
    "temperature": "temperature",
    "distance": "distance",
    "energy": "energy",
    "bonds": "distance",
    "lost": None,
}


@dataclass(frozen=True)
class Header:
    """First lines of both files; `time_step` in ps, one element per atom of a replica."""

    units: str
    time_step: float
    elements: tuple[str, ...]


@dataclass(frozen=True)
class Series:
    """Samples of one replica: (n,) arrays in ps, eV, K, eV/Å."""

    time: Array
    energy: Array
    temperature: Array
    force: Array


@dataclass(frozen=True)
class Record:
    """All samples: replica -> series. `end` is the time of the last sample of any replica, ps.

    Without a replica where all were taken out before the first sample.
    """

    path: Path
    header: Header
    replicas: dict[int, Series]
    interval: float
    end: float
    first_step: int


@dataclass(frozen=True)
class Removal:
    """A row of the failures file, in eV, Å, K; `step` is the first of the excursion."""

    replica: int
    step: int
    detected: int
    kind: str
    pair: tuple[int, int]
    value: float


def read_record(path: Path) -> Record:
    """Read a record; a last line without its end, as a killed run leaves it, is passed over.

    Raises:
        RunError: missing, of another kind, damaged, or a replica sampled twice at a step.
    """
    header, body = _split(path, RECORD_COLUMNS)
    table = _table(path, body)
    if len(table) == 0:
        return Record(path, header, {}, interval=0.0, end=0.0, first_step=0)
    step, replica = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    order = np.lexsort((step, replica))
    starts = np.flatnonzero(np.diff(replica[order], prepend=-1))
    _refuse_doubles(path, step[order], replica[order])
    columns = _converted(table[order], header, step.min())
    parts = np.split(columns, starts[1:])
    return Record(
        path=path,
        header=header,
        replicas={int(r): Series(*part.T) for r, part in zip(replica[order][starts], parts, strict=True)},
        interval=_interval(step) * header.time_step,
        end=float(step.max() - step.min()) * header.time_step,
        first_step=int(step.min()),
    )


def read_failures(path: Path) -> list[Removal]:
    """Read a failures file in its order; it may name nobody.

    Raises:
        RunError: missing, of another kind, damaged, an unknown kind, or a replica that failed twice.
    """
    header, body = _split(path, FAILURE_COLUMNS)
    found = [_removal(path, line, header.units) for line in body.splitlines() if line.strip()]
    twice = len(found) - len({removal.replica for removal in found})
    if twice:
        raise RunError(f"{path}: {twice} replicas failed twice; do not append two runs to one file")
    return found


def columns_of(path: Path) -> list[str] | None:
    """Columns a file of the fix holds; None if it is no such file."""
    with path.open("rb") as file:
        if file.readline().decode("utf-8", "replace") != FIRST_LINE + "\n":
            return None
        for line in islice(file, _MAX_HEADER):
            if line.startswith(b"# columns "):
                return line.decode("utf-8", "replace").split()[2:]
    return []


def _split(path: Path, columns: list[str]) -> tuple[Header, str]:
    """Header and the whole lines below it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read ({error}); give the folder of a run with fix lampion/replicas") from (
            error
        )
    text = text[: text.rfind("\n") + 1]
    if not text.startswith(FIRST_LINE + "\n"):
        raise RunError(f"{path}: does not begin with `{FIRST_LINE}`: no file of fix lampion/replicas")
    head = [line[1:].split() for line in text.split("\n", _MAX_HEADER)[:_MAX_HEADER] if line.startswith("#")]
    values = {words[0]: words[1:] for words in head if words}
    if values.get("columns") != columns:
        raise RunError(f"{path}: columns {' '.join(values.get('columns', []))}; expected {' '.join(columns)}")
    return _header(path, values), text[text.index("# columns") :].partition("\n")[2]


def _header(path: Path, values: dict[str, list[str]]) -> Header:
    try:
        (style,), (step,), (count,) = values["units"], values["timestep"], values["atoms_per_replica"]
        header = Header(style, float(step), tuple(values["elements"]))
        n_atoms = int(count)
    except (KeyError, ValueError) as error:
        raise RunError(
            f"{path}: the header must name units, timestep, atoms_per_replica and elements ({error})"
        ) from error
    if style not in UNIT_STYLES:
        raise RunError(f"{path}: units {style} have no Å and no eV; taken are {', '.join(UNIT_STYLES)}")
    if len(header.elements) != n_atoms or not all(name in atomic_numbers for name in header.elements):
        raise RunError(f"{path}: {n_atoms} atoms per replica need as many elements, got {' '.join(header.elements)}")
    return Header(style, float(convert(header.time_step, "time", style, "metal")), header.elements)


def _table(path: Path, body: str) -> Array:
    if not body.strip():
        return np.empty((0, len(RECORD_COLUMNS)))
    try:
        table = np.loadtxt(StringIO(body), ndmin=2, comments=None)
    except ValueError as error:
        raise RunError(f"{path}: a row cannot be read ({error}); the file is damaged") from error
    if table.shape[1] != len(RECORD_COLUMNS) or not np.isfinite(table[:, :2]).all():
        raise RunError(f"{path}: rows must hold {len(RECORD_COLUMNS)} numbers; the file is damaged")
    return table


def _refuse_doubles(path: Path, step: NDArray[np.int64], replica: NDArray[np.int64]) -> None:
    double = np.flatnonzero((np.diff(step) == 0) & (np.diff(replica) == 0))
    if len(double):
        raise RunError(
            f"{path}: replica {replica[double[0]]} is sampled twice at step {step[double[0]]}; "
            "two runs were written to one file"
        )


def _converted(table: Array, header: Header, first: int) -> Array:
    """Columns time, energy, temperature, force; (n, 4)."""
    energy, force = (float(convert(1.0, name, header.units, "metal")) for name in ("energy", "force"))
    time = (table[:, 0] - first) * header.time_step
    return np.column_stack([time, (table[:, 2] + table[:, 3]) * energy, table[:, 4], table[:, 5] * force])


def _interval(step: NDArray[np.int64]) -> int:
    distinct = np.unique(step)
    return int(np.median(np.diff(distinct))) if len(distinct) > 1 else 0


def _removal(path: Path, line: str, units: str) -> Removal:
    words = line.split()
    try:
        replica, step, detected, kind, i, j, value = words
        quantity = KINDS.get(kind)
        converted = float(convert(float(value), quantity, units, "metal")) if quantity else float(value)
        found = Removal(int(replica), int(step), int(detected), kind, (int(i), int(j)), converted)
    except ValueError as error:
        raise RunError(f"{path}: the row `{line}` cannot be read ({error}); the file is damaged") from error
    if kind not in KINDS:
        raise RunError(f"{path}: kind {kind} is not known; expected one of {', '.join(KINDS)}")
    if kind == "bonds" and (min(found.pair) < 1 or found.pair[0] == found.pair[1]):
        raise RunError(f"{path}: the row `{line}` names no pair of atoms; the file is damaged")
    return found
