"""npz files of the MD17 family: the layouts of rMD17, of MD17 and sGDML, and the one of plain names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from ase.data import chemical_symbols

from lampion.training.data.frames import Frames, Source, check_finite, type_indices
from lampion.training.errors import DataError
from lampion.training.labels.file_units import LabelUnits, label_units
from lampion.training.labels.read_options import ReadOptions

#: names of nuclear charges, positions, energies, forces
LAYOUTS = {
    "rMD17": ("nuclear_charges", "coords", "energies", "forces"),
    "MD17 and sGDML": ("z", "R", "E", "F"),
    "plain names": ("numbers", "positions", "energy", "forces"),
}


def npz_parts(path: Path, options: ReadOptions, size: int = 1000) -> Iterator[Frames]:
    """Labelled frames in pieces of `size`.

    Units are those the file declares (`e_unit`, `r_unit` of sGDML) or the user does; an energy unit that neither
    declares is refused. Lengths are Å unless declared otherwise.

    Raises:
        DataError: not such a file, arrays of wrong shape, no energy unit.
    """
    options.only(path, "energy_unit", "length_unit")
    arrays = _load(path)
    names = next((names for names in LAYOUTS.values() if all(name in arrays for name in names)), None)
    if names is None:
        layouts = "; ".join(f"{' '.join(names)} ({layout})" for layout, names in LAYOUTS.items())
        raise DataError(f"{path}: holds {', '.join(sorted(arrays))}; expected {layouts}")
    numbers, positions, energy, forces = (arrays[name] for name in names)
    _check_shapes(path, names, numbers, positions, energy, forces)
    units = _units(path, arrays, options, forces)
    lattice = arrays.get("lattice")
    symbols = [chemical_symbols[z] for z in numbers]
    type_names = tuple(sorted(set(symbols)))
    types, source = type_indices(symbols, type_names), Source.of(path)
    for start in range(0, len(positions), size):
        block = slice(start, min(start + size, len(positions)))
        n_frames, n_atoms = block.stop - start, len(symbols)
        # sGDML writes lattice vectors as columns
        cell = np.zeros((3, 3)) if lattice is None else np.asarray(lattice, dtype=np.float64).T * units.length
        part = Frames(
            type_names=type_names,
            offsets=np.arange(n_frames + 1, dtype=np.int64) * n_atoms,
            types=np.tile(types, n_frames),
            positions=positions[block].reshape(-1, 3).astype(np.float64) * units.length,
            cell=np.tile(cell, (n_frames, 1, 1)),
            pbc=np.full((n_frames, 3), lattice is not None),
            energy=energy[block].reshape(-1).astype(np.float64) * units.energy,
            forces=forces[block].reshape(-1, 3).astype(np.float64) * units.force,
            step=np.arange(start, block.stop, dtype=np.int64),
            sources=(source,),
        )
        check_finite(part, str(path), range(start, block.stop))
        yield part


def _load(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise DataError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, BadZipFile) as error:
        raise DataError(f"{path}: not a readable npz file of plain arrays ({error})") from None


def _check_shapes(path: Path, names: tuple[str, ...], numbers: Any, positions: Any, energy: Any, forces: Any) -> None:
    n_frames, n_atoms = len(positions), np.size(numbers)
    expected = {
        names[0]: (numbers, (n_atoms,)),
        names[1]: (positions, (n_frames, n_atoms, 3)),
        names[2]: (np.squeeze(energy) if n_frames > 1 else energy.reshape(-1), (n_frames,)),
        names[3]: (forces, (n_frames, n_atoms, 3)),
    }
    for name, (values, shape) in expected.items():
        if values.shape != shape:
            raise DataError(f"{path}: {name} has shape {values.shape}, expected {shape}")
    if n_frames == 0:
        raise DataError(f"{path}: holds no frames")


def _units(path: Path, arrays: dict[str, Any], options: ReadOptions, forces: Any) -> LabelUnits:
    energy = _declared(path, "energy", arrays.get("e_unit"), options.energy_unit)
    length = _declared(path, "length", arrays.get("r_unit"), options.length_unit)
    if energy is None:
        rms = float(np.sqrt((forces[:1000] ** 2).mean()))
        likely = "about 1 eV/Å is usual for a molecule at room temperature, 23 times as much in kcal/mol/Å"
        raise DataError(
            f"{path}: does not say in which unit its energies are, and a wrong guess is wrong by 23; the forces are "
            f"{rms:.3g} rms in its unit ({likely}): declare --energy-unit (rMD17 and MD17: kcal/mol)"
        )
    return label_units(energy, length)


def _declared(path: Path, what: str, in_file: Any, by_user: str | None) -> str | None:
    """The unit that file or user names; both must mean the same."""
    found = None if in_file is None else str(in_file)
    if found and by_user and label_units(*_as_arguments(what, found)) != label_units(*_as_arguments(what, by_user)):
        raise DataError(f"{path}: declares its {what} in {found}, the command line in {by_user}; leave the option out")
    return found or by_user


def _as_arguments(what: str, unit: str) -> tuple[str | None, str | None]:
    return (unit, None) if what == "energy" else (None, unit)
