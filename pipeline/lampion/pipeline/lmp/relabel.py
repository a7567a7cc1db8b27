"""Energies and forces of molecules from a reference: a model file, or the potential of a LAMMPS input."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.lammps import convert

from lampion.analysis.thermo import UNIT_STYLES
from lampion.deploy.calculator import LampionCalculator
from lampion.deploy.modelfile import is_model_file
from lampion.pipeline.lmp.data_file import data_file, edges
from lampion.pipeline.lmp.failure import failed
from lampion.pipeline.lmp.replay import POTENTIAL, absolute
from lampion.pipeline.lmp.rerun import Floats, atom_rows, dump_frame, read_labels, rerun_commands
from lampion.pipeline.lmp.runner import run_lammps
from lampion.training.errors import ConfigError

#: columns of an atom beside its place
_STYLES = {"atomic": "{id} {type}", "charge": "{id} {type} 0", "molecular": "{id} 1 {type}", "full": "{id} 1 {type} 0"}
#: empty space around a molecule, Å: more than any cutoff
_EMPTY = 40.0


def relabel(reference: Path, molecules: Sequence[Atoms], folder: Path) -> tuple[Floats, Floats]:
    """Energies (n,) eV and forces (n, n_atoms, 3) eV/Å; NaN where the reference has none.

    Args:
        reference: model file, or a LAMMPS input, whose commands from `pair_style` to `kspace_modify` and charge
            equilibration are taken, with its `units` and `atom_style`; its variable `elements` gets the atom types.
        molecules: of the same atoms in the same order.
        folder: for the work of `lmp`.

    Raises:
        ConfigError: an input without a potential, or in units or a style that cannot be taken.
        ModelFileError: no model file. RunFailedError: `lmp` did not get to the end.
    """
    if not reference.is_file():
        raise ConfigError(f"{reference}: no such file; give a model file or a LAMMPS input")
    if is_model_file(reference):
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
    length = float(convert(1.0, "distance", units, "metal"))
    edge = (max(float(np.ptp(atoms.positions, axis=0).max()) for atoms in molecules) + _EMPTY) / length
    placed = [(atoms.positions - atoms.positions.mean(axis=0)) / length + edge / 2 for atoms in molecules]
    types = [elements.index(symbol) + 1 for symbol in molecules[0].symbols]
    masses = [molecules[0].get_masses()[types.index(kind)] for kind in range(1, len(elements) + 1)]
    rows = atom_rows(types, placed[0], columns=_STYLES[style])
    (folder / "molecule.data").write_text(data_file("single points", edges([edge] * 3), masses, rows))
    box = ["ITEM: BOX BOUNDS pp pp pp", *[f"0 {edge:.17g}"] * 3]
    (folder / "frames.dump").write_text(
        "".join(dump_frame(k, box, atom_rows(types, positions)) for k, positions in enumerate(placed))
    )
    (folder / "relabel.in").write_text(_input(commands, units, style))
    result = run_lammps(
        folder / "relabel.in", folder=folder / "lmp", variables={"elements": " ".join(elements)}, force=True
    )
    if not result.ending.ok:
        raise failed(result)
    return read_labels(result, units)


def _commands(script: Path) -> list[str]:
    """Settings and potential of an input, lines joined, files beside it absolute; refused without a pair style."""
    text = re.sub(r"&[ \t]*\n", " ", script.read_text(encoding="utf-8", errors="replace"))
    lines = [line.split("#")[0] for line in text.splitlines()]
    kept = [absolute(line, script.parent) for line in lines if _is_taken(line.split())]
    if not any(line.startswith("pair_style") for line in kept):
        raise ConfigError(f"{script}: has no pair_style, so it is no reference")
    return kept


def _is_taken(words: Sequence[str]) -> bool:
    """Settings, potential, charge equilibration."""
    if len(words) > 3 and words[0] == "fix":
        return words[3].startswith(("qeq/", "acks2/"))
    return bool(words) and words[0] in POTENTIAL | {"variable", "units", "atom_style"}


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
            *rerun_commands("../frames.dump"),
            "",
        ]
    )
