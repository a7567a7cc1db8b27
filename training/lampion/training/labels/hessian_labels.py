"""Labelled Hessians: a small npz file of frames of one molecule or cell, each with its full second derivative."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from lampion.training.data.frames import Floats, Frames, Ints, type_indices
from lampion.training.errors import DataError
from lampion.training.files import atomic_path

#: largest violation of the two laws of every Hessian, as a share of its largest element
TOLERANCE = 1e-2


@dataclass(frozen=True)
class Hessians:
    """Frames of the same atoms with H = ∂²E/∂r∂r; the fields are the arrays of the npz file.

    Attributes:
        numbers: (n_atoms,) atomic numbers.
        positions: (n_frames, n_atoms, 3), Å.
        hessian: (n_frames, 3 n_atoms, 3 n_atoms), eV/Å²; row 3 i + a is component a of atom i.
        cell: (n_frames, 3, 3) rows, Å; zero, as without the array, where not periodic.
    """

    numbers: Ints
    positions: Floats
    hessian: Floats
    cell: Floats


def read_hessians(path: Path) -> Hessians:
    """Read an npz file of `numbers`, `positions`, `hessian` and, for periodic systems, `cell`; others are ignored.

    Raises:
        DataError: arrays missing, of other shapes, not finite; a Hessian that is not symmetric, or in which moving all
            atoms together takes force, as in a mass-weighted one.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {
                name: np.asarray(file[name]) for name in ("numbers", "positions", "hessian", "cell") if name in file
            }
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is not a readable npz file ({error})") from None
    missing = [name for name in ("numbers", "positions", "hessian") if name not in arrays]
    if missing:
        raise DataError(f"{path}: arrays {', '.join(missing)} are missing; expected numbers, positions, hessian")
    arrays.setdefault("cell", np.zeros((len(arrays["positions"]), 3, 3)))
    found = Hessians(**arrays)
    _check(found, str(path))
    return found


def write_hessians(hessians: Hessians, path: Path) -> None:
    """Write the npz file, whole or not at all.

    Raises:
        DataError: see `read_hessians`.
    """
    _check(hessians, str(path))
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **vars(hessians))


def _check(hessians: Hessians, origin: str) -> None:
    n_frames, n = len(hessians.positions), len(hessians.numbers)
    shapes = {"positions": (n_frames, n, 3), "hessian": (n_frames, 3 * n, 3 * n), "cell": (n_frames, 3, 3)}
    for name, shape in shapes.items():
        values = getattr(hessians, name)
        if values.shape != shape:
            raise DataError(f"{origin}: {name} has the shape {values.shape}, expected {shape}")
        if not np.isfinite(values).all():
            raise DataError(f"{origin}: {name} is not finite")
    for frame, matrix in enumerate(hessians.hessian):
        _check_laws(matrix, f"{origin}: frame {frame}")


def _check_laws(matrix: Floats, origin: str) -> None:
    """H = Hᵀ, and Σ_j H_ij = 0: a shift of all atoms changes no force."""
    size = np.abs(matrix).max()
    asymmetry = np.abs(matrix - matrix.T).max()
    shift = np.abs(matrix.reshape(len(matrix), -1, 3).sum(axis=1)).max()
    if asymmetry > TOLERANCE * size:
        raise DataError(
            f"{origin}: the Hessian is not symmetric: elements differ by {asymmetry:.2g} of {size:.2g} eV/Å²"
        )
    if shift > TOLERANCE * size:
        raise DataError(
            f"{origin}: moving all atoms together takes {shift:.2g} eV/Å² of {size:.2g}: the Hessian is mass-weighted "
            "or incomplete; give ∂²E/∂r∂r of all atoms in eV/Å²"
        )


def frames_of(hessians: Hessians, type_names: Sequence[str], origin: str) -> Frames:
    """The frames, with types numbered as a model numbers them and without labels of energy and forces.

    Raises:
        DataError: an element that is not among the types.
    """
    names = [chemical_symbols[number] for number in hessians.numbers]
    unknown = sorted(set(names) - set(type_names))
    if unknown:
        raise DataError(f"{origin}: has {', '.join(unknown)}, the training data have {', '.join(type_names)}")
    n_frames, n = len(hessians.positions), len(names)
    return Frames(
        type_names=tuple(type_names),
        offsets=np.arange(n_frames + 1) * n,
        types=np.tile(type_indices(names, type_names), n_frames),
        positions=hessians.positions.reshape(-1, 3).astype(np.float64),
        cell=hessians.cell.astype(np.float64),
        pbc=np.asarray(hessians.cell.any(axis=2)),
        energy=np.zeros(n_frames),
        forces=np.zeros((n_frames * n, 3)),
        step=np.arange(n_frames),
    )


def hessian_of_forces(forces: Callable[[Floats], Floats], positions: Floats, step: float = 1e-3) -> Floats:
    """Hessian of any force function by central differences, made symmetric, (3 n, 3 n).

    Args:
        forces: positions (n, 3), Å -> forces (n, 3), eV/Å; for instance of an ASE calculator.
        positions: (n, 3), Å.
        step: displacement, Å.
    """
    size = positions.size
    matrix = np.empty((size, size))
    for row, displacement in enumerate(step * np.eye(size).reshape(size, *positions.shape)):
        matrix[row] = (forces(positions - displacement) - forces(positions + displacement)).reshape(-1) / (2 * step)
    return (matrix + matrix.T) / 2


def join_hessians(parts: Sequence[Hessians]) -> Hessians:
    """Frames of the same atoms one after the other.

    Raises:
        DataError: the atoms differ.
    """
    for number, part in enumerate(parts):
        if not np.array_equal(part.numbers, parts[0].numbers):
            raise DataError(f"Hessian {number} is of other atoms than the first; write a file for each kind of system")
    arrays = {name: np.concatenate([vars(part)[name] for part in parts]) for name in ("positions", "hessian", "cell")}
    return Hessians(numbers=parts[0].numbers, **arrays)
