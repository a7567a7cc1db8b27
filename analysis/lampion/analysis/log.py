"""What the script did, read from the commands LAMMPS echoes into its log."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from ase.data import atomic_masses, chemical_symbols

# Fixes that exchange energy with a bath or do work: the total energy is not conserved under them.
_BATHS = re.compile(r"(nvt|npt|nph|langevin|berendsen|temp/|press/|deform|nve/limit|gld|gle|addforce|aveforce|viscous)")
_MASS_TOLERANCE = 0.02  # g/mol: apart enough to tell Ar (39.948) from K (39.098) and Ca (40.078)
_DEFAULT_TIME_STEP = {
    "metal": 0.001,
    "real": 1.0,
    "electron": 0.001,
    "si": 1e-8,
    "cgs": 1e-8,
    "micro": 2.0,
    "nano": 4.5e-4,
}


@dataclass
class Section:
    """One `run` or `minimize` of the script and the thermo tables it printed (numbers into LogFile.runs)."""

    command: str
    requested: int | None
    time_step: float | None
    baths: tuple[str, ...]
    tables: list[int] = field(default_factory=list)
    steps_done: int = 0
    n_atoms: int | None = None


@dataclass
class LogScan:
    """Commands and incidents of one log, in LAMMPS units.

    `in_table` at the end means a table without its closing `Loop time`; its sound rows end at character `cut`.
    `bad_step` is the first step whose thermo line holds NaN or infinity.
    """

    units: str | None = None
    time_step: float | None = None
    normalised: bool | None = None
    elements: dict[int, str] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)
    fixes: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    bad_step: int | None = None
    in_table: bool = False
    cut: int = 0
    n_tables: int = 0

    def default_time_step(self) -> float:
        """LAMMPS's time step for the unit style when no `timestep` command was given."""
        return _DEFAULT_TIME_STEP[self.units or "metal"]


def scan_log(text: str) -> LogScan:
    """Commands, tables and incidents of a log.

    LAMMPS echoes a line first as written and, if it held variables, again with their values: lines that still hold a
    `$` are passed over, so the substituted one counts.
    """
    scan = LogScan()
    columns, position = 0, 0
    for line in text.splitlines(keepends=True):
        words = line.split()
        if words and "$" not in line:
            columns = _read_line(scan, line, words, columns)
        position += len(line)
        if scan.in_table and scan.error is None and line.endswith("\n"):
            scan.cut = position
    return scan


def _read_line(scan: LogScan, line: str, words: list[str], columns: int) -> int:
    """Take in one line; returns the number of columns of the open table (0: none open)."""
    if "ERROR" in line:
        scan.error = scan.error or line.strip()
    elif words[0] == "Step" or re.match(r"^-{6,} Step |^keywords:", line):
        _open_table(scan)
        return len(words)
    elif line.startswith("Loop time of"):
        _close_table(scan, words)
        return 0
    elif scan.in_table:
        _note_bad_row(scan, words, columns)
    elif words[0] in _COMMANDS and len(words) > 1:
        _COMMANDS[words[0]](scan, words)
    return columns


def _open_table(scan: LogScan) -> None:
    scan.in_table = True
    if scan.sections and (not scan.sections[-1].tables or scan.sections[-1].tables[-1] != scan.n_tables):
        scan.sections[-1].tables.append(scan.n_tables)


def _close_table(scan: LogScan, words: list[str]) -> None:
    """`Loop time of 0.3 on 1 procs for 500 steps with 400 atoms`."""
    scan.in_table = False
    scan.n_tables += 1
    if scan.sections and len(words) >= 12:
        scan.sections[-1].steps_done += int(words[8])
        scan.sections[-1].n_atoms = int(words[11])


def _note_bad_row(scan: LogScan, words: list[str], columns: int) -> None:
    """LogFile passes over lines with letters, those of `nan` and `inf` too: such a row would vanish without a trace."""
    is_row = len(words) == columns and words[0].isdigit()
    if scan.bad_step is None and is_row and any(word.lstrip("+-").lower() in ("nan", "inf") for word in words):
        scan.bad_step = int(words[0])


def _units(scan: LogScan, words: list[str]) -> None:
    scan.units = words[1]


def _timestep(scan: LogScan, words: list[str]) -> None:
    scan.time_step = float(words[1])


def _mass(scan: LogScan, words: list[str]) -> None:
    """`mass 1 39.948`: the element is the one of this atomic mass."""
    if not words[1].isdigit() or len(words) < 3:
        return
    mass = float(words[2])
    number = int(abs(atomic_masses[1:104] - mass).argmin()) + 1
    if abs(atomic_masses[number] - mass) < _MASS_TOLERANCE:
        scan.elements.setdefault(int(words[1]), chemical_symbols[number])


def _pair_coeff(scan: LogScan, words: list[str]) -> None:
    """`pair_coeff * * model.pt C H O`: the element names at the end belong to types 1, 2, 3."""
    names = [word for word in words[4:] if word in chemical_symbols or word == "NULL"]
    if words[1:3] == ["*", "*"] and names and names == words[-len(names) :]:
        scan.elements.update({i + 1: name for i, name in enumerate(names) if name != "NULL"})


def _fix(scan: LogScan, words: list[str]) -> None:
    if len(words) > 3:
        scan.fixes[words[1]] = words[3]


def _unfix(scan: LogScan, words: list[str]) -> None:
    scan.fixes.pop(words[1], None)


def _thermo_modify(scan: LogScan, words: list[str]) -> None:
    if "norm" in words[:-1]:
        scan.normalised = words[words.index("norm") + 1] in ("yes", "on", "true")


def _section(scan: LogScan, words: list[str]) -> None:
    fixed_length = words[0] == "run" and words[1].isdigit() and "upto" not in words
    baths = tuple(style for style in scan.fixes.values() if _BATHS.match(style))
    scan.sections.append(Section(words[0], int(words[1]) if fixed_length else None, scan.time_step, baths))


_COMMANDS: dict[str, Callable[[LogScan, list[str]], None]] = {
    "units": _units,
    "timestep": _timestep,
    "mass": _mass,
    "pair_coeff": _pair_coeff,
    "fix": _fix,
    "unfix": _unfix,
    "thermo_modify": _thermo_modify,
    "run": _section,
    "minimize": _section,
}
