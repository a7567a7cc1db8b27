"""A run folder: log.lammps, one dump, and run.json where there is one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase.calculators.lammps import convert
from ase.data import chemical_symbols
from numpy.typing import NDArray

from lampion.analysis.errors import RunError
from lampion.analysis.thermo import Thermo, read_thermo
from lampion.analysis.trajectory import Trajectory, find_dump, read_trajectory

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """What a run left behind. `trajectory` is None only if the run failed before its first good frame."""

    folder: Path
    thermo: Thermo
    trajectory: Trajectory | None
    provenance: dict[str, Any]
    failure: str | None

    @property
    def n_atoms(self) -> int:
        """Number of atoms, from the log or, for a run that was cut, from the dump.

        Raises:
            RunError: neither tells.
        """
        if self.thermo.n_atoms is not None:
            return self.thermo.n_atoms
        if self.trajectory is not None:
            return len(self.trajectory.labels)
        raise RunError(f"{self.thermo.path}: the number of atoms is not known: no `Loop time` line and no dump")

    def frame_times(self, trajectory: Trajectory) -> Array:
        """Times of the frames in ps; (n_frames,)."""
        return np.interp(trajectory.step, self.thermo.step, self.thermo.time)

    def conserved_energy(self) -> Array:
        """Conserved energy in meV per atom; (n_thermo,)."""
        return self.thermo.columns[self.thermo.conserved_name] * 1000.0 / self.n_atoms


def load_run(folder: Path, *, elements: tuple[str, ...] | None = None) -> Run:
    """Read a run folder.

    Args:
        elements: element of LAMMPS types 1, 2, ...; default: the dump's `element` column, else the masses or the names
            in `pair_coeff * * model.pt ...` of the log.
    Raises:
        RunError: as `read_thermo` and `read_layout`; no dump or several; a name that is no element.
    """
    thermo = read_thermo(folder / "log.lammps")
    trajectory, problem = _trajectory(folder, thermo, _element_map(elements, thermo))
    failure = thermo.failure or problem or (trajectory.problem if trajectory else None)
    return Run(folder, thermo, trajectory, _provenance(folder / "run.json"), failure)


def load_energies(folder: Path) -> Run:
    """Read the log of a run folder only, as the dt² law needs it."""
    thermo = read_thermo(folder / "log.lammps")
    return Run(folder, thermo, None, {}, thermo.failure)


def _element_map(elements: tuple[str, ...] | None, thermo: Thermo) -> dict[int, str]:
    if elements is None:
        return thermo.elements
    if unknown := [name for name in elements if name not in chemical_symbols[1:]]:
        raise RunError(
            f"{', '.join(unknown)} is no chemical element; give the elements of types 1, 2, ... such as Ar or C H O"
        )
    return {i + 1: name for i, name in enumerate(elements)}


def _trajectory(folder: Path, thermo: Thermo, elements: dict[int, str]) -> tuple[Trajectory | None, str | None]:
    """The frames; a run that failed may have none worth reading, which is its failure and not the user's."""
    path = find_dump(folder)
    length = float(convert(1.0, "distance", thermo.units, "metal"))
    first, last = int(thermo.step[0]), int(thermo.step[-1])
    try:
        return read_trajectory(path, length=length, first_step=first, last_step=last, elements=elements), None
    except RunError as error:
        if thermo.failure is None:
            raise
        return None, str(error)


def _provenance(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: not readable as JSON ({error}); remove the file or run again") from error
    if not isinstance(content, dict):
        raise RunError(f"{path}: one JSON object is expected; remove the file or run again")
    return content
