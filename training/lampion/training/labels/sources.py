"""Labelled frames of any kind of file, as a stream of pieces or in memory."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lampion.training.data.frames import Frames, concatenate
from lampion.training.data.hdf5 import read_hdf5
from lampion.training.errors import ConfigError, DataError
from lampion.training.labels.ase_db import ase_db_parts
from lampion.training.labels.extxyz import extxyz_parts, read_images
from lampion.training.labels.lammps_labels import read_lammps
from lampion.training.labels.names import energy_of, labels_in
from lampion.training.labels.npz import npz_parts
from lampion.training.labels.read_options import ReadOptions

HDF5 = (".h5", ".hdf5")
EXTXYZ = (".xyz", ".extxyz")
DUMP = (".dump", ".lammpstrj")
COMPRESSED = (".gz", ".xz")

Reader = Callable[[Path, ReadOptions], Iterator[Frames]]


def read_parts(path: Path, options: ReadOptions | None = None) -> Iterator[Frames]:
    """Labelled frames in pieces, by the suffix of the file.

    Raises:
        ConfigError: unknown suffix, or an option that means nothing for this kind of file.
        DataError: from the reader.
    """
    suffix = kind_of(path)
    if suffix not in READERS and _is_dump(path):
        suffix = DUMP[0]
    if suffix not in READERS:
        raise ConfigError(f"{path}: unknown kind of data; expected one of {', '.join(READERS)}")
    return READERS[suffix](path, options or ReadOptions())


def read_frames(path: Path, options: ReadOptions | None = None) -> Frames:
    """Labelled frames: HDF5 mapped from its file, anything else in memory.

    Raises:
        ConfigError, DataError: as `read_parts`.
    """
    parts = list(read_parts(path, options))
    return parts[0] if len(parts) == 1 else concatenate(parts)


def kind_of(path: Path) -> str:
    """The suffix that says what a file is: the one before .gz or .xz."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _is_dump(path: Path) -> bool:
    """Whether a file of any other name, such as `dump.argon`, begins like a LAMMPS dump."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(5) == b"ITEM:"


def read_isolated(path: Path, options: ReadOptions | None = None) -> dict[str, float]:
    """Energy of each isolated atom in a file of one-atom frames, or of a converted data set, eV.

    Raises:
        DataError: no isolated atom, or one without an energy.
    """
    if kind_of(path) in HDF5:
        found = dict(read_hdf5(path).isolated)
    else:
        chosen = options or ReadOptions()
        found = {
            atoms.get_chemical_symbols()[0]: energy_of(labels_in(atoms), chosen, f"{path}: frame {frame}")
            * chosen.factors.energy
            for frame, atoms in enumerate(read_images(path))
            if len(atoms) == 1
        }
    if not found:
        raise DataError(f"{path}: holds no isolated atoms: frames of one atom with an energy")
    return found


def _hdf5(path: Path, options: ReadOptions) -> Iterator[Frames]:
    options.only(path)
    yield read_hdf5(path)


def _lammps(path: Path, options: ReadOptions) -> Iterator[Frames]:
    options.only(path, "log", "types", "units")
    types: Sequence[str] | None = options.types.split() if options.types else None
    yield read_lammps(path, options.log or path.parent / "log.lammps", type_names=types, units=options.units)


READERS: dict[str, Reader] = {
    **dict.fromkeys(HDF5, _hdf5),
    **dict.fromkeys(EXTXYZ, extxyz_parts),
    ".npz": npz_parts,
    **dict.fromkeys((".db", ".json"), ase_db_parts),
    **dict.fromkeys(DUMP, _lammps),
}
