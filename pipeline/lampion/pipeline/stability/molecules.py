"""Molecules, or periodic systems, of the same atoms as ASE has them: read, taken from a trajectory, made frames of."""

from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

from lampion.analysis.stability.trajectory import Trajectory
from lampion.training.data.frames import Frames, offsets_of, type_indices
from lampion.training.errors import DataError
from lampion.training.labels.sources import EXTXYZ, kind_of, read_frames


def read_molecules(path: Path) -> list[Atoms]:
    """Frames of one molecule without a cell; only elements and positions count.

    Raises:
        DataError: as of `read_systems`.
    """
    return without_cells(read_systems(path))


def without_cells(systems: Sequence[Atoms]) -> list[Atoms]:
    """The same elements and positions, as molecules."""
    return [Atoms(atoms.numbers, atoms.positions) for atoms in systems]


def read_systems(path: Path) -> list[Atoms]:
    """Frames of the same atoms, with their cells; only elements, positions and cells count.

    Raises:
        DataError: no such file, nothing in it, or frames of different atoms.
    """
    systems = _xyz(path) if kind_of(path) in EXTXYZ else _labelled(path)
    if not systems:
        raise DataError(f"{path}: holds no frames")
    first = systems[0].get_chemical_symbols()
    for number, atoms in enumerate(systems):
        if atoms.get_chemical_symbols() != first:
            raise DataError(
                f"{path}: frame {number} is {atoms.symbols}, frame 0 is {systems[0].symbols}; replicas are of the "
                "same atoms in one order"
            )
    return [Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc) for atoms in systems]


def _xyz(path: Path) -> list[Atoms]:
    try:
        return list(ase.io.iread(path, ":"))
    except (OSError, ValueError, KeyError, IndexError, ase.io.ParseError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None


def _labelled(path: Path) -> list[Atoms]:
    frames = read_frames(path)
    names = np.array(frames.type_names)
    rows = [frames.atoms_of(number) for number in range(len(frames))]
    return [
        Atoms(list(names[frames.types[part]]), frames.positions[part], cell=cell, pbc=pbc)
        for part, cell, pbc in zip(rows, frames.cell, frames.pbc, strict=True)
    ]


def molecules_of(trajectory: Trajectory) -> list[Atoms]:
    """One per frame."""
    return [Atoms(list(trajectory.elements), positions) for positions in trajectory.positions]


def bare_frames(molecules: Sequence[Atoms], type_names: Sequence[str]) -> Frames:
    """Frames without a cell whose labels are all zero."""
    n, n_atoms = len(molecules), [len(atoms) for atoms in molecules]
    return Frames(
        type_names=tuple(type_names),
        offsets=offsets_of(n_atoms),
        types=np.concatenate([type_indices(atoms.symbols, type_names) for atoms in molecules]),
        positions=np.concatenate([atoms.positions for atoms in molecules]),
        cell=np.zeros((n, 3, 3)),
        pbc=np.zeros((n, 3), dtype=bool),
        energy=np.zeros(n),
        forces=np.zeros((sum(n_atoms), 3)),
        step=np.arange(n),
    )
