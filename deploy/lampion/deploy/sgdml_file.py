"""Reader of trained sGDML force fields: npz files of the reference implementation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from ase.data import chemical_symbols

from lampion.training.data.frames import Floats
from lampion.training.errors import DataError
from lampion.training.labels.file_units import ENERGY

KCAL_MOL = ENERGY["kcal/mol"]  # eV
_REQUIRED = ("z", "perms", "tril_perms_lin", "sig", "c")
# the names of the two tables in the first releases of sGDML, and since
_DESCRIPTORS, _COEFFICIENTS = ("Rt_desc", "R_desc"), ("Rt_d_desc_alpha", "R_d_desc_alpha")
#: Kinds of models that need more than this reader keeps, by the key that marks them.
_UNSUPPORTED = {"alphas_E": "was trained on energy constraints", "lattice": "is of a periodic system"}
_UNITS = {"e_unit": ("kcal/mol", "energies"), "r_unit": ("Ang", "lengths")}


@dataclass(frozen=True)
class SgdmlModel:
    """A trained sGDML model. Pair (a, b), a > b, is row a (a - 1) / 2 + b of a descriptor.

    Attributes:
        symbols: chemical symbol of each atom.
        descriptors: (n_points, n_pairs) 1/r of the training geometries and all their permutations, 1/Å.
        coefficients: (n_points, n_pairs) that multiply the difference to a training point, eV Å³.
        length: σ of the kernel, 1/Å.
        constant: of integration, eV.
    """

    symbols: tuple[str, ...]
    descriptors: Floats
    coefficients: Floats
    length: float
    constant: float

    @property
    def type_names(self) -> tuple[str, ...]:
        """A name for each atom: its symbol and its number, from 1."""
        return tuple(f"{symbol}{k}" for k, symbol in enumerate(self.symbols, 1))

    @property
    def pairs(self) -> tuple[Any, Any]:
        """Atoms a and b of each pair, (n_pairs,) each."""
        return np.tril_indices(len(self.symbols), -1)

    def distances(self) -> Floats:
        """Distance matrices of the training geometries and their permutations, (n_points, n_atoms, n_atoms), Å."""
        n_atoms = len(self.symbols)
        a, b = self.pairs
        matrices = np.zeros((len(self.descriptors), n_atoms, n_atoms))
        matrices[:, a, b] = matrices[:, b, a] = 1.0 / self.descriptors
        return matrices


def is_npz(path: Path) -> bool:
    """Whether a file is an archive of numpy arrays, or is called one; nothing in it is read."""
    try:
        with ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (OSError, BadZipFile):
        return path.suffix == ".npz"


def read_sgdml(path: Path) -> SgdmlModel:
    """A model written by sGDML (Chmiela et al. 2018, 10.1038/s41467-018-06169-2), kcal/mol and Å if it does not say.

    Raises:
        DataError: not a readable npz, not an sGDML model, damaged, of a kind or in units that are not supported.
    """
    entries = _entries(path)
    _check_kind(path, entries)
    z = entries["z"]
    n_pairs = len(z) * (len(z) - 1) // 2
    descriptors, coefficients = _table(path, entries, _DESCRIPTORS).T, _table(path, entries, _COEFFICIENTS)
    if n_pairs == 0 or descriptors.shape[1:] != (n_pairs,) or coefficients.shape != descriptors.shape:
        raise _damaged(path, f"its tables do not belong to {len(z)} atoms")
    if not (descriptors > 0).all():
        raise _damaged(path, "its descriptors must be larger than 0")
    order = _pair_orders(path, entries, n_pairs)
    scale = KCAL_MOL * _number(path, entries, "std", 1.0)
    length, constant = _number(path, entries, "sig"), KCAL_MOL * _number(path, entries, "c")
    if not length > 0:
        raise _damaged(path, f"sig must be larger than 0, received {length}")
    return SgdmlModel(
        symbols=tuple(chemical_symbols[number] for number in z),
        descriptors=descriptors[:, order].reshape(-1, n_pairs),
        coefficients=scale * coefficients[:, order].reshape(-1, n_pairs),
        length=length,
        constant=constant,
    )


def _entries(path: Path) -> dict[str, Any]:
    wanted = {*_REQUIRED, *_DESCRIPTORS, *_COEFFICIENTS, *_UNSUPPORTED, *_UNITS, "std"}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if name in wanted}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as npz: {error}") from error


def _check_kind(path: Path, entries: Mapping[str, Any]) -> None:
    missing = [name for name in _REQUIRED if name not in entries]
    missing += [names[1] for names in (_DESCRIPTORS, _COEFFICIENTS) if not entries.keys() & set(names)]
    if missing:
        raise DataError(f"{path}: is no sGDML model: it has no {', '.join(missing)}; give the file `sgdml train` wrote")
    for name, what in _UNSUPPORTED.items():
        if name in entries:
            raise DataError(f"{path}: {what} (key {name}); supported are sGDML models of molecules, trained on forces")
    for name, (unit, what) in _UNITS.items():
        found = str(entries.get(name, unit))
        if found != unit:
            raise DataError(f"{path}: {name} is {found}; train on a data set with {what} in {unit}")
    z = entries["z"]
    if z.ndim != 1 or z.dtype.kind not in "iu" or not ((z > 0) & (z < len(chemical_symbols))).all():
        raise _damaged(path, "z must be atomic numbers")


def _table(path: Path, entries: Mapping[str, Any], names: tuple[str, str]) -> Floats:
    """A table of numbers; the first releases gave the coefficients a third axis of length 1."""
    name = next(name for name in names if name in entries)
    table = entries[name]
    if table.dtype.kind != "f" or not np.isfinite(table).all():
        raise _damaged(path, f"{name} must be finite numbers")
    numbers: Floats = table.astype(np.float64)
    return numbers[..., 0] if table.ndim == 3 and table.shape[2] == 1 else numbers


def _pair_orders(path: Path, entries: Mapping[str, Any], n_pairs: int) -> Any:
    """Order of the pairs under each permutation, (n_permutations, n_pairs); stored counting on through them."""
    flat, n_permutations = entries["tril_perms_lin"], len(entries["perms"])
    if flat.shape != (n_permutations * n_pairs,) or flat.dtype.kind not in "iu":
        raise _damaged(path, f"tril_perms_lin must be {n_permutations} permutations of {n_pairs} pairs")
    orders = flat.reshape(n_pairs, n_permutations).T.astype(np.int64) - n_pairs * np.arange(n_permutations)[:, None]
    if not (np.sort(orders, axis=1) == np.arange(n_pairs)).all():
        raise _damaged(path, "tril_perms_lin holds no permutations")
    return orders


def _number(path: Path, entries: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = entries.get(name, default)
    try:
        number = float(np.asarray(value))
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise _damaged(path, f"{name} must be a number, received {value}")
    return number


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{path}: damaged sGDML model: {reason}")
