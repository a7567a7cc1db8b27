"""Where replicas start: set in motion, and, of molecules, laid out in one box."""

from collections.abc import Sequence
from pathlib import Path

import ase.io
import ase.units
import numpy as np
from ase import Atoms
from ase.md.velocitydistribution import Stationary, ZeroRotation

from lampion.deploy.modelfile import Manifest
from lampion.pipeline.lmp.data_file import data_file, edges
from lampion.training.files import atomic_path

#: least distance between the centres of two molecules, and between a molecule and its own image beyond the cutoff, Å
SPACING, MARGIN = 10.0, 4.0
_PER_PS = 1000.0 * ase.units.fs  # velocities of ASE in Å/ps


def set_in_motion(molecules: Sequence[Atoms], kelvin: float, rng: np.random.Generator) -> None:
    """Velocities of Maxwell and Boltzmann without their share of momentum and, of molecules, of angular momentum.

    Nothing is rescaled: what is left has (3 n - 6) k T / 2 of kinetic energy on average, the temperature asked for; in
    a periodic cell, which cannot turn, (3 n - 3) k T / 2.
    """
    for atoms in molecules:
        spread = np.sqrt(atoms.get_masses() * ase.units.kB * kelvin)
        atoms.set_momenta(rng.normal(size=(len(atoms), 3)) * spread[:, None])
        Stationary(atoms, preserve_temperature=False)
        if not atoms.pbc.any():
            ZeroRotation(atoms, preserve_temperature=False)


def write_start(molecules: Sequence[Atoms], path: Path, manifest: Manifest) -> dict[str, str]:
    """LAMMPS data file of `fix lampion/replicas`, units metal.

    Molecules sit on a cubic grid. None sees its own image: the box is wider than a molecule, the cutoff and a margin.

    Args:
        molecules: of the same atoms in the same order; replica r is the r-th.
        path: file to write.
        manifest: of the model, for its cutoff and for what its types are.

    Returns:
        Of the atom types: their `elements`, and their `names` in the model.
    """
    symbols = list(molecules[0].symbols)
    single = manifest.names_atoms(symbols)
    elements = symbols if single else sorted(set(symbols))
    types = range(1, len(symbols) + 1) if single else [elements.index(symbol) + 1 for symbol in symbols]
    extent = max(float(np.ptp(atoms.positions, axis=0).max()) for atoms in molecules)
    side = int(np.ceil(len(molecules) ** (1 / 3)))
    spacing = max(SPACING, extent + 2.0, (extent + manifest.cutoff + MARGIN) / side)
    title = f"{len(molecules)} replicas of {molecules[0].symbols}"
    atoms, velocities = _tables(molecules, types, side, spacing)
    write_data(path, title, molecules[0], elements, [side * spacing] * 3, atoms, velocities)
    return {"elements": " ".join(elements), "names": " ".join(manifest.type_names if single else elements)}


def write_data(
    path: Path,
    title: str,
    system: Atoms,
    elements: Sequence[str],
    box: Sequence[float],
    atoms: Sequence[str],
    velocities: Sequence[str],
) -> None:
    """LAMMPS data file of atom style molecular: masses of elements as in `system`, box edges in Å, rows of atoms."""
    of_element = {atom.symbol: atom.mass for atom in system}
    masses = [of_element[name] for name in elements]
    text = data_file(title, edges(box), masses, atoms, names=elements, style="molecular", velocities=velocities)
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def velocity_rows(system: Atoms, first: int) -> list[str]:
    """Rows of the section Velocities, Å/ps, of atoms with the ids `first`, `first` + 1, ..."""
    moving = system.get_velocities() * _PER_PS
    return [f"{number} {u:.15g} {v:.15g} {w:.15g}" for number, (u, v, w) in enumerate(moving, first)]


def read_start(path: Path) -> list[Atoms]:
    """The molecules of a file of `write_start`, with their velocities."""
    atoms = ase.io.read(path, format="lammps-data", units="metal", atom_style="molecular")
    assert isinstance(atoms, Atoms)  # one frame
    n_molecules = int(atoms.arrays["mol-id"].max())
    parts = np.split(np.arange(len(atoms)), n_molecules)
    velocities = atoms.get_velocities()
    return [Atoms(atoms.numbers[rows], atoms.positions[rows], velocities=velocities[rows]) for rows in parts]


def _tables(molecules: Sequence[Atoms], types: Sequence[int], side: int, spacing: float) -> tuple[list[str], list[str]]:
    """Rows of the sections Atoms and Velocities."""
    atoms: list[str] = []
    velocities: list[str] = []
    for replica, molecule in enumerate(molecules):
        cell = np.array(np.unravel_index(replica, (side, side, side)))
        middle = 0.5 * (molecule.positions.max(axis=0) + molecule.positions.min(axis=0))
        positions = molecule.positions - middle + (cell + 0.5) * spacing
        velocities += velocity_rows(molecule, len(atoms) + 1)
        for kind, (x, y, z) in zip(types, positions, strict=True):
            atoms.append(f"{len(atoms) + 1} {replica + 1} {kind} {x:.15g} {y:.15g} {z:.15g}")
    return atoms, velocities
