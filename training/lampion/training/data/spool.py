"""Arrays that grow piece by piece on disk and end as one HDF5 file of contiguous, aligned data sets.

HDF5 lets only chunked data sets grow, and only contiguous ones can be mapped into memory: so the pieces go to raw
files first, and the lengths are known when the HDF5 file is written.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

ALIGNMENT = 64
COPY_BYTES = 2**20


class Spool:
    """Arrays under construction, in a temporary folder that goes away with the block.

    Args:
        beside: path of the file to come; the temporary folder is made next to it, on the same disk.
    """

    def __init__(self, beside: Path) -> None:
        beside.parent.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(dir=beside.parent, prefix=f".{beside.name}.")
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._dtypes: dict[str, np.dtype[Any]] = {}

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def append(self, name: str, values: np.ndarray) -> None:
        """Add rows to an array; all pieces have the dtype and the trailing shape of the first."""
        dtype = self._dtypes.setdefault(name, values.dtype)
        length, *_ = self._shapes.get(name, (0,))
        self._shapes[name] = (length + len(values), *values.shape[1:])
        with self._path(name).open("ab") as stream:
            stream.write(np.ascontiguousarray(values, dtype=dtype).data)

    def names(self) -> list[str]:
        """Arrays that have rows."""
        return list(self._shapes)

    def pieces(self, name: str) -> Iterator[np.ndarray]:
        """The rows of an array, a few megabytes at a time."""
        shape, dtype = self._shapes[name], self._dtypes[name]
        row = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
        rows = max(1, COPY_BYTES // row)
        with self._path(name).open("rb") as stream:
            while block := stream.read(rows * row):
                yield np.frombuffer(block, dtype=dtype).reshape(-1, *shape[1:])

    def write(self, name: str, file: h5py.File, change: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        """Copy an array into a contiguous data set of `file`, each piece changed on the way by `change`."""
        data = file.create_dataset(name, shape=self._shapes[name], dtype=self._dtypes[name])
        start = 0
        for piece in self.pieces(name):
            data[start : start + len(piece)] = change(piece) if change else piece
            start += len(piece)

    def _path(self, name: str) -> Path:
        return Path(self._folder.name) / name


def create(path: Path, attributes: Mapping[str, Any]) -> h5py.File:
    """A new HDF5 file whose data sets start at aligned addresses."""
    file = h5py.File(path, "w", alignment_threshold=1, alignment_interval=ALIGNMENT)
    file.attrs.update(attributes)
    return file


def mapped(path: Path, data: h5py.Dataset) -> np.ndarray:
    """A data set as a read-only array: mapped from the file if it is contiguous, otherwise read."""
    offset = data.id.get_offset()
    if offset is None:
        return np.asarray(data)
    return np.memmap(path, mode="r", dtype=data.dtype, shape=data.shape, offset=offset).view(np.ndarray)
