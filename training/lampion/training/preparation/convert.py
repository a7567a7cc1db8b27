"""Labels of any source -> a checked file of frames, piece by piece, so that they need not fit in memory."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lampion.training.checks.findings import Report, examine
from lampion.training.data import hdf5
from lampion.training.data.frames import Frames
from lampion.training.errors import ConfigError
from lampion.training.files import atomic_path
from lampion.training.labels import extxyz
from lampion.training.labels.read_options import ReadOptions
from lampion.training.labels.sources import EXTXYZ, HDF5, kind_of, read_isolated, read_parts


def convert(source: Path, output: Path, options: ReadOptions | None = None, isolated: Path | None = None) -> Report:
    """Read, check and write frames: HDF5, or extended XYZ by the suffix of `output`.

    What is checked is the file written; it gets its name only if nothing is refused.

    Args:
        source: file of labels.
        output: .h5, .hdf5, .xyz or .extxyz.
        options: keys, units.
        isolated: file of one-atom frames, whose energies are kept with the frames.

    Raises:
        DataError: from the reader, or what `check.examine` refuses.
    """
    kind = kind_of(output)
    if kind not in HDF5 + EXTXYZ:
        raise ConfigError(f"{output}: unknown kind of output; expected one of {', '.join(HDF5 + EXTXYZ)}")
    with packed(source, output, options, isolated) as (temporary, frames):
        report = examine(frames)
        report.require_no_refusal(str(source))
        with atomic_path(output) as final:
            if kind in EXTXYZ:
                extxyz.write_stream(frames.chunks(), final)
            else:
                temporary.replace(final)
    return report


@contextmanager
def packed(
    source: Path, beside: Path, options: ReadOptions | None, isolated: Path | None = None
) -> Iterator[tuple[Path, Frames]]:
    """A source as HDF5 in a temporary folder next to `beside`, and its frames mapped from there."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=beside.parent, prefix=f".{beside.name}.") as folder:
        path = Path(folder) / "frames.h5"
        energies = read_isolated(isolated, options) if isolated else {}
        hdf5.write_stream(_with_isolated(read_parts(source, options), energies), path)
        yield path, hdf5.read_hdf5(path)


def _with_isolated(parts: Iterator[Frames], energies: Mapping[str, float]) -> Iterator[Frames]:
    for part in parts:
        yield replace(part, isolated={**part.isolated, **energies})
