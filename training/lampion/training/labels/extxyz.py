"""Extended XYZ, the interchange format of MACE, NequIP and ASE users; plain, .gz or .xz."""

import gzip
import io
import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import ase.io
from ase import Atoms

from lampion.training import keys
from lampion.training.data.frames import Frames, Source, concatenate
from lampion.training.errors import DataError
from lampion.training.files import atomic_path
from lampion.training.labels.ase_labels import ASE_TIME, LabelReader
from lampion.training.labels.read_options import NAMED_LABELS, ReadOptions

#: frames parsed at once
BLOCK = 200


def write_extxyz(frames: Frames, path: Path) -> None:
    """Write frames with REF_energy (eV), REF_forces (eV/Å) and, if present, REF_stress (eV/Å³)."""
    with atomic_path(path) as temporary:
        write_stream([frames], temporary)


def write_stream(parts: Iterable[Frames], path: Path) -> None:
    """Write pieces of frames as they come; isolated atoms first, marked as MACE marks them."""
    written: set[str] = set()
    with path.open("w") as stream:
        for part in parts:
            new = {name: energy for name, energy in part.isolated.items() if name not in written}
            written |= new.keys()
            atoms = (_atoms(part, f) for f in range(len(part)))
            ase.io.write(stream, [*map(_isolated, new.items()), *atoms], format="extxyz")


def _isolated(item: tuple[str, float]) -> Atoms:
    name, energy = item
    return Atoms(name, info={keys.XYZ_ENERGY: energy, "config_type": "IsolatedAtom"})


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


def read_extxyz(path: Path, options: ReadOptions | None = None) -> Frames:
    """Read labelled frames into memory.

    Raises:
        DataError: unreadable file, or labels missing or ambiguous; never takes a missing label for zero.
    """
    return concatenate(list(extxyz_parts(path, options or ReadOptions())))


def extxyz_parts(path: Path, options: ReadOptions) -> Iterator[Frames]:
    """Labelled frames in pieces.

    Raises:
        DataError: as `read_extxyz`.
    """
    options.only(path, *NAMED_LABELS)
    if not path.exists():
        raise DataError(f"{path}: no such file")
    return LabelReader(options, Source.of(path), str(path)).parts(read_images(path))


def read_images(path: Path) -> Iterator[Atoms]:
    """Frames as ASE reads them, from a stream: ASE itself seeks, which takes minutes in a compressed file.

    Raises:
        DataError: not extended XYZ, or cut short; names the frame.
    """
    with _open(path) as stream:
        frame = 0
        while block := "".join(_frame_texts(stream, path, frame)):
            try:
                images = ase.io.read(io.StringIO(block), ":", format="extxyz")
            except Exception as error:  # ASE raises many types, some of its own, for a damaged file
                raise _unreadable(path, frame, str(error)) from None
            yield from images
            frame += len(images)


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _frame_texts(stream: TextIO, path: Path, first: int) -> Iterator[str]:
    """The lines of the next BLOCK frames, counted by the number of atoms that heads each."""
    for frame in range(first, first + BLOCK):
        try:
            header = stream.readline()
            lines = [stream.readline() for _ in range(int(header) + 1)] if header.strip() else []
        except (ValueError, EOFError, OSError, lzma.LZMAError) as error:
            raise _unreadable(path, frame, str(error)) from None
        if lines and not lines[-1]:
            raise _unreadable(path, frame, f"{sum(map(bool, lines[1:]))} of {int(header)} atoms, then the file ends")
        yield from (header, *lines) if lines else ()


def _unreadable(path: Path, frame: int, why: str) -> DataError:
    return DataError(f"{path}: not readable as extended XYZ near frame {frame} ({why})")
