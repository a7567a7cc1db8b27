"""Extended XYZ with REF_ labels, the interchange format of MACE, NequIP and ASE users."""

from pathlib import Path

import ase.io
import ase.units
import numpy as np
from ase import Atoms

from lampion.training import keys
from lampion.training.errors import DataError
from lampion.training.files import atomic_path
from lampion.training.frames import Frames, Source, check_finite, type_indices

#: ASE's unit of time, Å √(amu/eV), in ps: turns velocities in Å/ps into ASE's.
ASE_TIME = 1e-3 / ase.units.fs


def write_extxyz(frames: Frames, path: Path) -> None:
    """Write frames with REF_energy (eV), REF_forces (eV/Å) and, if present, REF_stress (eV/Å³)."""
    with atomic_path(path) as temporary:
        ase.io.write(temporary, [_atoms(frames, f) for f in range(len(frames))], format="extxyz")


def _atoms(frames: Frames, frame: int) -> Atoms:
    rows = frames.atoms_of(frame)
    atoms = Atoms(
        symbols=[frames.type_names[t] for t in frames.types[rows]],
        positions=frames.positions[rows],
        cell=frames.cell[frame],
        pbc=frames.pbc[frame],
    )
    atoms.info[keys.XYZ_ENERGY] = float(frames.energy[frame])
    atoms.info["step"] = int(frames.step[frame])
    atoms.arrays[keys.XYZ_FORCES] = frames.forces[rows]
    if frames.stress is not None:
        atoms.info[keys.XYZ_STRESS] = frames.stress[frame]
    if frames.velocities is not None:
        atoms.set_velocities(frames.velocities[rows] * ASE_TIME)
    return atoms


def read_extxyz(path: Path) -> Frames:
    """Read frames labelled REF_energy and REF_forces (optional REF_stress) in eV, eV/Å, eV/Å³.

    Raises:
        DataError: unreadable file, or the labels missing in a frame; never takes a missing label for zero.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    try:
        images = ase.io.read(path, ":", format="extxyz")
    except Exception as error:  # ASE raises many types, some of its own, for a damaged file
        raise DataError(f"{path}: not readable as extended XYZ ({error})") from None
    if not images:
        raise DataError(f"{path}: holds no frames")
    for frame, atoms in enumerate(images):
        _check_labels(path, frame, atoms)
    names = tuple(sorted({symbol for atoms in images for symbol in atoms.get_chemical_symbols()}))
    frames = Frames(
        type_names=names,
        offsets=np.concatenate([[0], np.cumsum([len(a) for a in images])]).astype(np.int64),
        types=np.concatenate([type_indices(a.get_chemical_symbols(), names) for a in images]),
        positions=np.concatenate([a.positions for a in images]),
        cell=np.stack([np.asarray(a.cell) for a in images]),
        pbc=np.stack([a.pbc for a in images]),
        energy=np.array([float(a.info[keys.XYZ_ENERGY]) for a in images]),
        forces=np.concatenate([a.arrays[keys.XYZ_FORCES] for a in images]).astype(np.float64),
        step=np.array([int(a.info.get("step", f)) for f, a in enumerate(images)], dtype=np.int64),
        stress=np.stack([np.asarray(a.info[keys.XYZ_STRESS]).reshape(3, 3) for a in images])
        if all(keys.XYZ_STRESS in a.info for a in images)
        else None,
        velocities=np.concatenate([a.get_velocities() / ASE_TIME for a in images])
        if all(a.has("momenta") for a in images)
        else None,
        sources=(Source.of(path),),
    )
    check_finite(frames, str(path))
    return frames


def _check_labels(path: Path, frame: int, atoms: Atoms) -> None:
    stores = ((keys.XYZ_ENERGY, atoms.info), (keys.XYZ_FORCES, atoms.arrays))
    missing = [key for key, store in stores if key not in store]
    if missing:
        found = sorted({*atoms.info, *atoms.arrays, *(atoms.calc.results if atoms.calc else {})})
        raise DataError(
            f"{path}: frame {frame}: {' and '.join(missing)} missing (found: {', '.join(found)}); labels are read "
            f"from {keys.XYZ_ENERGY} (eV) and {keys.XYZ_FORCES} (eV/Å): rename them"
        )
