"""Working format of labelled frames: one HDF5 file of flat arrays, units written beside every array."""

import json
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np

from lampion.training import keys
from lampion.training.errors import DataError
from lampion.training.files import atomic_path
from lampion.training.frames import Frames, Source

FORMAT = "lampion-frames/1"
UNITS = {
    keys.POSITIONS: "Å",
    keys.VELOCITIES: "Å/ps",
    keys.FORCES: "eV/Å",
    keys.CELL: "Å",
    keys.ENERGY: "eV",
    keys.STRESS: "eV/Å³",
}
REQUIRED = (
    keys.OFFSETS,
    keys.TYPES,
    keys.POSITIONS,
    keys.CELL,
    keys.PBC,
    keys.ENERGY,
    keys.FORCES,
    keys.STEP,
)
OPTIONAL = (keys.STRESS, keys.VELOCITIES)


def write_hdf5(frames: Frames, path: Path) -> None:
    """Write frames to `path`, whole or not at all."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"] = FORMAT
        file.attrs["type_names"] = json.dumps(frames.type_names)
        file.attrs["sources"] = json.dumps([asdict(source) for source in frames.sources])
        for name in REQUIRED + OPTIONAL:
            values = getattr(frames, name)
            if values is not None:
                data = file.create_dataset(name, data=values)
                data.attrs["unit"] = UNITS.get(name, "-")


def read_hdf5(path: Path) -> Frames:
    """Read frames written by `write_hdf5`.

    Raises:
        DataError: not HDF5, another format, or arrays missing or of unequal length.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise DataError(f"{path}: holds no labelled frames ({FORMAT}); make it with `lampion data convert`")
            arrays = {name: np.asarray(file[name]) for name in REQUIRED + OPTIONAL if name in file}
            type_names = tuple(json.loads(file.attrs["type_names"]))
            sources = tuple(Source(**source) for source in json.loads(file.attrs["sources"]))
    except OSError as error:
        raise DataError(f"{path}: is not a readable HDF5 file ({error})") from None
    missing = [name for name in REQUIRED if name not in arrays]
    if missing:
        raise DataError(f"{path}: arrays {', '.join(missing)} are missing; convert the data again")
    frames = Frames(type_names=type_names, sources=sources, **arrays)
    if len(frames.forces) != frames.offsets[-1] or len(frames.energy) != len(frames.offsets) - 1:
        raise DataError(f"{path}: arrays have lengths that do not belong together; convert the data again")
    return frames
