"""LAMMPS dump + thermo log -> labelled frames in Lampion's units."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from lampion.training.data.frames import Floats, Frames, Source, check_finite, type_indices
from lampion.training.errors import DataError
from lampion.training.labels.lammps_dump import DumpFrame, read_dump
from lampion.training.labels.lammps_log import ThermoRow, thermo_rows, units_of
from lampion.training.labels.units import AMU_A2_PER_PS2, BOLTZMANN, STYLES, UnitStyle, unit_style

VIRIAL = tuple(f"c_virial[{i}]" for i in range(1, 7))
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
    style_name = units_of(log, units)
    style = unit_style(style_name)
    raw = list(read_dump(dump))
    if min(frame.digits for frame in raw) < MIN_DIGITS:
        raise DataError(
            f"{dump}: forces have {min(f.digits for f in raw)} digits, which leaves errors of about 1e-4 eV/Å in the "
            "labels; write the dump with `dump_modify ID format float %.17g`"
        )
    elements = [_elements(dump, frame, type_names) for frame in raw]
    names = tuple(type_names) if type_names else tuple(sorted(set(np.concatenate(elements).tolist())))
    rows = thermo_rows(log, [frame.step for frame in raw])
    frames = _assemble(raw, elements, names, rows, style, dump, log)
    check_finite(frames, str(dump))
    _check_temperature(frames, [row.get("Temp") for row in rows], style_name, log)
    return frames


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
    rows: list[ThermoRow],
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


def _stress(row: ThermoRow) -> Floats:
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
