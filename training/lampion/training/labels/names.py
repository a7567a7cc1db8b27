"""Under which names energy, forces and stress stand in a frame: found by a table, or asked for."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from lampion.training import keys
from lampion.training.data.frames import Floats
from lampion.training.errors import DataError
from lampion.training.labels.read_options import ReadOptions


@dataclass(frozen=True)
class LabelKeys:
    """Names of the labels of one label set; a virial W (eV) stands for a stress -W/V."""

    energy: str
    forces: str
    stress: str | None = None
    virial: str | None = None


#: Label sets by the names that codes and collections use. The first one marks its labels as the reference and wins
#: over what a calculator left in the file; among the others, two complete ones are ambiguous.
REFERENCE = LabelKeys(keys.XYZ_ENERGY, keys.XYZ_FORCES, keys.XYZ_STRESS, "REF_virial")
COMMON = (
    LabelKeys("energy", "forces", "stress", "virial"),
    LabelKeys("energy", "force", "stress", "virial"),
    LabelKeys("dft_energy", "dft_forces", "dft_stress", "dft_virial"),
    LabelKeys("dft_energy", "dft_force", "dft_stress", "dft_virial"),
    LabelKeys("DFT_energy", "DFT_forces", "DFT_stress", "DFT_virial"),
    LabelKeys("Energy", "Forces", "Stress", "Virial"),
)
VOIGT_ASE = ("xx", "yy", "zz", "yz", "xz", "xy")


def labels_in(atoms: Atoms) -> dict[str, Any]:
    """Everything a frame carries by name: calculator results, info, arrays, values of a data base row."""
    found = {**atoms.info, **atoms.arrays, **(atoms.calc.results if atoms.calc else {})}
    for nested in ("key_value_pairs", "data"):
        found |= found.pop(nested, None) or {}
    return {name: value for name, value in found.items() if name not in ("numbers", "positions")}


def choose_keys(found: dict[str, Any], options: ReadOptions, where: str) -> LabelKeys:
    """The label set to read.

    Raises:
        DataError: no label set, or several and none asked for.
    """
    if options.energy_key and options.forces_key:
        chosen = LabelKeys(options.energy_key, options.forces_key, options.stress_key)
    else:
        chosen = _find(found, where)
    if options.stress_key:
        stress = None if options.stress_key == "none" else options.stress_key
        return LabelKeys(chosen.energy, chosen.forces, stress)
    stress = chosen.stress if chosen.stress in found else None
    return LabelKeys(
        chosen.energy, chosen.forces, stress, None if stress or chosen.virial not in found else chosen.virial
    )


def _find(found: dict[str, Any], where: str) -> LabelKeys:
    complete = [names for names in (REFERENCE, *COMMON) if names.energy in found and names.forces in found]
    if not complete:
        missing = [name for name in ("energy", "forces") if not _known_names(name) & found.keys()]
        raise DataError(
            f"{where}: {' and '.join(missing) or 'energy and forces of one label set'} missing "
            f"(found: {', '.join(sorted(found)) or 'nothing'}); "
            "name both with --energy-key and --forces-key"
        )
    if complete[0] is REFERENCE or len(complete) == 1:
        return complete[0]
    sets = " or ".join(f"{names.energy} with {names.forces}" for names in complete)
    raise DataError(f"{where}: several label sets: {sets}; say which with --energy-key and --forces-key")


def _known_names(label: str) -> set[str]:
    return {getattr(names, label) for names in (REFERENCE, *COMMON)}


def energy_of(found: dict[str, Any], options: ReadOptions, where: str) -> float:
    """The energy of a frame that needs no forces, such as an isolated atom.

    Raises:
        DataError: there is none.
    """
    names = [options.energy_key] if options.energy_key else list(dict.fromkeys(k.energy for k in (REFERENCE, *COMMON)))
    present = [name for name in names if name in found]
    if not present:
        raise DataError(f"{where}: no energy ({', '.join(names)}); name it with --energy-key and --forces-key")
    return number(found[present[0]], f"{where}: {present[0]}")


def number(value: Any, what: str) -> float:
    """A label as one number.

    Raises:
        DataError: it is none.
    """
    try:
        return float(np.asarray(value, dtype=np.float64).reshape(()))
    except (TypeError, ValueError):
        raise DataError(f"{what} is not a number: {str(value)[:60]!r}") from None


def tensor(value: Any, key: str, where: str) -> Floats:
    """A stress or virial as a (3, 3) array.

    Nine numbers are rows; six stand in the order that the key names (`..._xx_yy_zz_xy_yz_xz`), otherwise in ASE's:
    xx yy zz yz xz xy.

    Raises:
        DataError: neither six nor nine numbers.
    """
    try:
        values = np.array(value.split() if isinstance(value, str) else value, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.size == 9:
        return values.reshape(3, 3)
    if values.size != 6:
        raise DataError(f"{where}: {key} is not a tensor of 6 or 9 numbers: {str(value)[:60]!r}")
    named = ["".join(sorted(pair)) for pair in re.findall(r"(?<![a-z])[xyz]{2}(?![a-z])", key)]
    order = named if sorted(named) == sorted(VOIGT_ASE) else VOIGT_ASE
    return voigt_6_to_full_3x3_stress([values[list(order).index(pair)] for pair in VOIGT_ASE])
