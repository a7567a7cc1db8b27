"""The frames a configuration names, split into training, validation and test."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lampion.training.config import DataConfig
from lampion.training.errors import ConfigError
from lampion.training.extxyz import read_extxyz
from lampion.training.files import sha256
from lampion.training.frames import Frames
from lampion.training.hdf5 import read_hdf5


@dataclass(frozen=True)
class Split:
    """Disjoint sets of frames of one file and the fingerprint of the file."""

    train: Frames
    valid: Frames
    test: Frames
    data_sha256: str


def read_frames(path: Path) -> Frames:
    """Read labelled frames by suffix: .h5/.hdf5, .xyz/.extxyz.

    Raises:
        ConfigError: unknown suffix.
        DataError: from the reader.
    """
    if path.suffix in (".h5", ".hdf5"):
        return read_hdf5(path)
    if path.suffix in (".xyz", ".extxyz"):
        return read_extxyz(path)
    raise ConfigError(f"{path}: unknown kind of data; expected .h5, .hdf5, .xyz or .extxyz")


def load_split(config: DataConfig) -> Split:
    """Read the frames and split them: in the order of the file, or shuffled by `split_seed`.

    Successive frames of a trajectory resemble each other, so a random split flatters the test error; without a seed
    the three sets are consecutive pieces.

    Raises:
        ConfigError: too few frames for three sets, or shares that leave nothing to test on.
    """
    path = Path(config.file)
    frames = read_frames(path)
    n = len(frames)
    n_train, n_valid = round(config.train * n), round(config.valid * n)
    if n_train < 1 or n_valid < 1 or n_train + n_valid >= n:
        raise ConfigError(
            f"{path}: {n} frames cannot be split into train {config.train}, valid {config.valid} and a rest to test on"
        )
    order = np.arange(n) if config.split_seed is None else np.random.default_rng(config.split_seed).permutation(n)
    parts = (order[:n_train], order[n_train : n_train + n_valid], order[n_train + n_valid :])
    train, valid, test = (frames.select(np.sort(part)) for part in parts)
    return Split(train, valid, test, sha256(path))
