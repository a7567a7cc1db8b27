"""Working format of labelled frames: one HDF5 file of flat arrays, units written beside every array.

The arrays are contiguous, so they are mapped into memory and not read: a file may be larger than the memory.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np

from lampion.training import keys
from lampion.training.data.frames import PER_ATOM, PER_FRAME, Frames, Source, offsets_of
from lampion.training.data.spool import Spool, create, mapped
from lampion.training.errors import DataError
from lampion.training.files import atomic_path

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
    attributes = _attributes(frames.type_names, frames.sources, frames.isolated)
    with atomic_path(path) as temporary, create(temporary, attributes) as file:
        for name in REQUIRED + OPTIONAL:
            values = getattr(frames, name)
            if values is not None:
                data = file.create_dataset(name, data=values)
                data.attrs["unit"] = UNITS.get(name, "-")


def _attributes(type_names: Sequence[str], sources: Iterable[Source], isolated: Mapping[str, float]) -> dict[str, str]:
    return {
        "format": FORMAT,
        "type_names": json.dumps(type_names),
        "sources": json.dumps([asdict(source) for source in sources]),
        "isolated": json.dumps(dict(isolated)),
    }


def write_stream(parts: Iterable[Frames], path: Path) -> None:
    """Write pieces of frames as they come, in the memory of one piece.

    A piece may bring new type names: types are numbered as they come and renumbered alphabetically at the end.

    Args:
        parts: at least one piece; all have the optional labels of the first.
        path: written as it grows; the caller renames it (`files.atomic_path`).
    """
    names: list[str] = []
    sources: dict[Source, None] = {}
    isolated: dict[str, float] = {}
    with Spool(path) as spool:
        for part in parts:
            names += [name for name in part.type_names if name not in names]
            sources |= dict.fromkeys(part.sources)
            isolated |= part.isolated
            _append(spool, part.renumbered(names))
        with create(path, _attributes(sorted(names), sources, isolated)) as file:
            _write_arrays(spool, file, [sorted(names).index(name) for name in names])


def _append(spool: Spool, part: Frames) -> None:
    spool.append("n_atoms", part.n_atoms)
    for name in (*PER_FRAME, *PER_ATOM):
        values = getattr(part, name)
        if values is not None:
            spool.append(name, values)


def _write_arrays(spool: Spool, file: h5py.File, renumber: Sequence[int]) -> None:
    order = np.array(renumber, dtype=np.int64)
    file.create_dataset(keys.OFFSETS, data=offsets_of(np.concatenate(list(spool.pieces("n_atoms")))))
    for name in spool.names():
        if name != "n_atoms":
            spool.write(name, file, (lambda types: order[types]) if name == keys.TYPES else None)
    for name, data in file.items():
        data.attrs["unit"] = UNITS.get(name, "-")


def read_hdf5(path: Path) -> Frames:
    """Frames written by `write_hdf5` or `write_stream`, mapped from the file: read-only and loaded when used.

    Raises:
        DataError: not HDF5, another format, or arrays missing or of unequal length.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise DataError(f"{path}: holds no labelled frames ({FORMAT}); make it with `lampion data convert`")
            arrays = {name: mapped(path, file[name]) for name in REQUIRED + OPTIONAL if name in file}
            type_names = tuple(json.loads(file.attrs["type_names"]))
            sources = tuple(Source(**source) for source in json.loads(file.attrs["sources"]))
            isolated = json.loads(file.attrs.get("isolated", "{}"))
    except OSError as error:
        raise DataError(f"{path}: is not a readable HDF5 file ({error})") from None
    missing = [name for name in REQUIRED if name not in arrays]
    if missing:
        raise DataError(f"{path}: arrays {', '.join(missing)} are missing; convert the data again")
    frames = Frames(type_names=type_names, sources=sources, isolated=isolated, file=path, **arrays)
    if len(frames.forces) != frames.offsets[-1] or len(frames.energy) != len(frames.offsets) - 1:
        raise DataError(f"{path}: arrays have lengths that do not belong together; convert the data again")
    return frames
