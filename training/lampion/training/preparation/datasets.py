"""The frames a configuration names, split into training, validation and test."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lampion.training.checks.findings import require_sane
from lampion.training.config.training import DataConfig
from lampion.training.data.frames import Floats, Frames, mean_energy_per_type
from lampion.training.errors import ConfigError, DataError
from lampion.training.files import sha256
from lampion.training.labels.sources import HDF5, kind_of, read_frames, read_isolated
from lampion.training.preparation.split import PARTS, Sizes, partition

__all__ = ["Split", "load_split", "read_frames"]

#: frames of a random split are copied; beyond this many bytes they should be written once by `lampion data split`
COPY_LIMIT = 4 * 2**30


@dataclass(frozen=True)
class Split:
    """Disjoint sets of frames, with types numbered alike, and the fingerprint of the files.

    Attributes:
        energy_shift: energy per atom of each type, eV, (n_types,).
    """

    train: Frames
    valid: Frames
    test: Frames
    data_sha256: str
    energy_shift: Floats


def load_split(config: DataConfig) -> Split:
    """Read the frames a configuration names, and split them where they do not come split.

    Successive frames of a trajectory resemble each other, so a random split flatters the test error; without a seed
    the sets are consecutive pieces.

    Raises:
        ConfigError: too few frames for three sets, or shares that leave nothing to test on.
        DataError: labels that cannot be trained on; elements that the configuration does not list or the training
            frames do not hold.
    """
    files = _files(config)
    given = {name: _read(path) for name, path in files.items()}
    for name, frames in given.items():
        _check_elements(frames, config.elements, str(files[name]))
    if "valid" not in given or "test" not in given:
        given |= _divide(given.pop("train"), config, set(given))
    names = given["train"].type_names
    for name in PARTS[1:]:
        _check_elements(given[name], list(names), str(files.get(name, config.file)), "the training frames")
    sets = {name: frames.renumbered(names) for name, frames in given.items()}
    digest = _sha256(sorted(set(files.values())))
    return Split(**sets, data_sha256=digest, energy_shift=_energy_shift(config, sets["train"]))


def _files(config: DataConfig) -> dict[str, Path]:
    """The file of each set that comes as a file; a folder of `lampion data split` holds all three."""
    path = Path(config.file)
    if path.is_dir():
        return {name: path / f"{name}.h5" for name in PARTS}
    named = {"train": config.file, "valid": config.valid_file, "test": config.test_file}
    return {name: Path(file) for name, file in named.items() if file}


def _read(path: Path) -> Frames:
    """Frames of a file; what `lampion data convert` has not checked yet is checked here."""
    frames = read_frames(path)
    if kind_of(path) not in HDF5:
        require_sane(frames, str(path))
    return frames


def _divide(frames: Frames, config: DataConfig, there: set[str]) -> dict[str, Frames]:
    """Divide the frames of `data.file` into the sets that have no file of their own."""
    sizes = Sizes(
        train=config.train,
        valid=0 if "valid" in there else config.valid,
        test=0 if "test" in there else config.test,
    )
    parts = partition(len(frames), sizes, config.split_seed, config.file)
    if config.split_seed is None:
        return {name: frames.between(int(p[0]), int(p[-1]) + 1) for name, p in parts.items() if len(p)}
    if frames.file and frames.file.stat().st_size > COPY_LIMIT:
        raise ConfigError(
            f"{frames.file}: too large to be shuffled in memory; split it once with `lampion data split` and train on "
            "the folder"
        )
    return {name: frames.select(part) for name, part in parts.items() if len(part)}


def _check_elements(frames: Frames, known: list[str] | None, origin: str, owner: str = "data.elements") -> None:
    unknown = [] if known is None else [name for name in frames.type_names if name not in known]
    for name in unknown:
        atoms = np.flatnonzero(frames.types == frames.type_names.index(name))
        if len(atoms):
            frame = int(np.searchsorted(frames.offsets, atoms[0], side="right")) - 1
            raise DataError(
                f"{origin}: frame {frame} holds {name}, which {owner} ({' '.join(known or [])}) does not; "
                f"add {name}, or remove such frames ({len(atoms)} atoms)"
            )


def _sha256(files: list[Path]) -> str:
    return sha256(files[0]) if len(files) == 1 else "+".join(sha256(file)[:32] for file in files)


def _energy_shift(config: DataConfig, frames: Frames) -> Floats:
    """Energy per atom of each type, by least squares or from isolated atoms.

    Raises:
        ConfigError: energies of isolated atoms are asked for, and one is missing.
    """
    if config.energies == "least_squares":
        return mean_energy_per_type(frames)
    given = config.isolated_atoms
    isolated = read_isolated(Path(given)) if isinstance(given, str) else given or frames.isolated
    missing = [name for name in frames.type_names if name not in isolated]
    if missing:
        raise ConfigError(
            f"data.energies is isolated_atoms, but the energy of an isolated {' and '.join(missing)} is unknown; give "
            "data.isolated_atoms (a file of one-atom frames, or energies in eV), or use data.energies: least_squares"
        )
    return np.array([isolated[name] for name in frames.type_names], dtype=np.float64)
