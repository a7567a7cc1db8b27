"""Which frames train, validate and test: by shares or counts, by seed, or by files of row numbers."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lampion.training.checks.findings import require_sane
from lampion.training.data.frames import Frames, Ints, Source
from lampion.training.data.hdf5 import write_stream
from lampion.training.errors import ConfigError
from lampion.training.files import atomic_path, sha256
from lampion.training.labels.read_options import ReadOptions
from lampion.training.preparation.convert import packed

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Sizes:
    """Sizes of the three sets: a whole number counts frames, a fraction is a share; test none: what remains."""

    train: float
    valid: float
    test: float | None = None

    def counts(self, n: int, origin: str) -> tuple[int, int, int]:
        """Numbers of frames out of `n`.

        Raises:
            ConfigError: a set is empty that should not be, or they are more than there are.
        """
        train, valid = _count(self.train, n), _count(self.valid, n)
        test = n - train - valid if self.test is None else _count(self.test, n)
        empty = train < 1 or (self.valid != 0 and valid < 1) or (self.test != 0 and test < 1)
        if empty or train + valid + test > n:
            rest = "a rest" if self.test is None else f"{self.test}"
            raise ConfigError(
                f"{origin}: {n} frames cannot be split into train {self.train}, valid {self.valid} and {rest} to test "
                "on"
            )
        return train, valid, test


def _count(size: float, n: int) -> int:
    return size if isinstance(size, int) else round(size * n)


def partition(n: int, sizes: Sizes, seed: int | None, origin: str) -> dict[str, Ints]:
    """Row numbers of each set, ascending: consecutive pieces, or drawn at random by `seed`."""
    train, valid, test = sizes.counts(n, origin)
    order = np.arange(n) if seed is None else np.random.default_rng(seed).permutation(n)
    parts = np.split(order[: train + valid + test], [train, train + valid])
    return {name: np.sort(part) for name, part in zip(PARTS, parts, strict=True)}


def read_index(path: Path, n: int) -> Ints:
    """Row numbers of a file, one per line, counted from 0, in their order.

    Raises:
        ConfigError: not a number, out of range, or twice; names the line.
    """
    if not path.exists():
        raise ConfigError(f"{path}: no such file")
    rows: dict[int, int] = {}
    for line, text in enumerate(path.read_text().split("\n"), 1):
        if not text.strip():
            continue
        if not text.strip().isdecimal() or int(text) >= n:
            raise ConfigError(f"{path}:{line}: '{text.strip()}' is no row number from 0 to {n - 1}")
        if int(text) in rows:
            raise ConfigError(f"{path}:{line}: row {int(text)} stands on line {rows[int(text)]} already")
        rows[int(text)] = line
    if not rows:
        raise ConfigError(f"{path}: is empty")
    return np.array(list(rows), dtype=np.int64)


def partition_by_index(
    n: int, files: Mapping[str, Path], *, valid: float | None, test: float | None, seed: int, origin: str
) -> dict[str, Ints]:
    """Sets by files of row numbers.

    Without a file for validation, `valid` frames are drawn from the training rows (rMD17: 1,000 rows give 950 and 50);
    without one for test, `test` frames are drawn from the rows not named, all of them by default.

    Raises:
        ConfigError: no training file, rows in two sets, or fewer rows than asked for.
    """
    if "train" not in files:
        raise ConfigError(f"{origin}: a split by row numbers needs --train-index")
    parts = {name: read_index(path, n) for name, path in files.items()}
    random = np.random.default_rng(seed)
    if "valid" not in parts:
        if not valid:
            raise ConfigError(f"{origin}: give --valid-index, or --valid N to draw them from the training rows")
        parts["train"], parts["valid"] = _draw(parts["train"], valid, random, f"{files['train']}: --valid")
    if "test" not in parts:
        rest = np.setdiff1d(np.arange(n), np.concatenate(list(parts.values())))
        parts["test"] = rest if test is None else _draw(rest, test, random, f"{origin}: --test")[1]
    _check_disjoint(parts, origin)
    return {name: np.sort(parts[name]) for name in PARTS}


def _draw(rows: Ints, size: float, random: np.random.Generator, what: str) -> tuple[Ints, Ints]:
    """What remains of the rows, and what was drawn."""
    count = _count(size, len(rows))
    if not 0 < count < len(rows) + 1:
        raise ConfigError(f"{what}: {size} cannot be drawn from {len(rows)} rows")
    order = random.permutation(rows)
    return order[count:], order[:count]


def _check_disjoint(parts: Mapping[str, Ints], origin: str) -> None:
    for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
        common = np.intersect1d(parts[first], parts[second])
        if len(common):
            raise ConfigError(f"{origin}: {len(common)} rows are in {first} and {second}, the first is {common[0]}")
        if not len(parts[second]):
            raise ConfigError(f"{origin}: no rows are left for {second}")


def split_file(
    source: Path,
    folder: Path,
    options: ReadOptions | None,
    sizes: Mapping[str, float | None],
    index: Mapping[str, Path],
    seed: int,
    isolated: Path | None = None,
) -> dict[str, Ints]:
    """Read a source, divide its frames, and write the sets and their record into a folder.

    Args:
        source: file of labels.
        folder: of train.h5, valid.h5, test.h5 and split.json.
        options: keys, units.
        sizes: share or number of frames of each set; none: 0.8, 0.1 and what remains.
        index: file of row numbers of each set; any makes the split one by row numbers.
        seed: of what is drawn at random.
        isolated: file of one-atom frames, whose energies are kept with the frames.

    Returns:
        Row numbers of each set.

    Raises:
        ConfigError: sizes or row numbers that do not fit.
        DataError: from the reader, or labels that cannot be trained on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with packed(source, folder / "split.json", options, isolated) as (_, frames):
        require_sane(frames, str(source))
        valid, test, origin = sizes["valid"], sizes["test"], str(source)
        if index:
            parts = partition_by_index(len(frames), index, valid=valid, test=test, seed=seed, origin=origin)
        else:
            parts = partition(len(frames), Sizes(sizes["train"] or 0.8, valid or 0.1, test), seed, origin)
        write_split(frames, parts, folder, {"source": asdict(Source.of(source)), "seed": seed})
    return parts


def write_split(frames: Frames, parts: Mapping[str, Ints], folder: Path, record: Mapping[str, object]) -> Path:
    """Write train.h5, valid.h5, test.h5 and, last, split.json with row numbers and fingerprints.

    Args:
        frames: all frames.
        parts: row numbers of each set.
        folder: of the files.
        record: what else split.json should say: source, seed.
    """
    fingerprints = {}
    for name, rows in parts.items():
        path = folder / f"{name}.h5"
        with atomic_path(path) as temporary:
            write_stream((frames.select(block) for block in _blocks(rows)), temporary)
        fingerprints[path.name] = sha256(path)
    content = {**record, "sha256": fingerprints, "rows": {name: rows.tolist() for name, rows in parts.items()}}
    with atomic_path(folder / "split.json") as temporary:
        temporary.write_text(json.dumps(content) + "\n")
    return folder / "split.json"


def _blocks(rows: Ints, size: int = 1000) -> list[Ints]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
