"""Model files: an archive with `lampion.json` inside.

`model.pt` is TorchScript, written here. `model.pt2` holds machine code beside the TorchScript module (`package`).
"""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lampion.training.files import atomic_path

if TYPE_CHECKING:
    import torch

__all__ = [
    "COMPILED",
    "ENTRY",
    "FORMAT",
    "SCRIPT",
    "Manifest",
    "ModelFileError",
    "is_model_file",
    "load_model",
    "read_manifest",
    "save_model",
]

FORMAT = "lampion/1"
#: Names within the archive; the module itself only in compiled model files.
ENTRY = "lampion.json"
SCRIPT = "script/model.pt"
#: Suffix of compiled model files.
COMPILED = ".pt2"


class ModelFileError(ValueError):
    """A model file, or what was to become one, that breaks the contract."""

    exit_code = 3


@dataclass(frozen=True)
class Manifest:
    """What `lampion.json` says about a model.

    Args:
        cutoff: Distance in Å (in reduced units if `units` is "lj") from which two atoms do not interact.
        type_names: Element or type names; the position in the list is the type index of the model.
        n_layers: Message-passing depth: an atom's energy depends on atoms within `n_layers` cutoffs.
        dtype: "float32" or "float64", of edge vectors and energies.
        units: "metal" (Å, eV) or "lj" (reduced units).
        versions: Of torch and lampion at export.
        training: Data hash, shortest distance seen per element pair, errors on the test set.
        references: BibTeX entries to cite.
        compiled: Of a compiled model file, what its machine code was made for (`package.save_compiled`); else None.
        conservative: False if `forward` returns forces, (n_nodes, 3), that are no gradient of an energy.
        format: Version of this contract.

    Raises:
        ModelFileError: If a value cannot be right.
    """

    cutoff: float
    type_names: tuple[str, ...]
    n_layers: int
    dtype: str
    units: str = "metal"
    versions: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    compiled: Mapping[str, Any] | None = None
    conservative: bool = True
    format: str = FORMAT

    def __post_init__(self) -> None:
        # JSON has lists only
        object.__setattr__(self, "type_names", tuple(self.type_names))
        object.__setattr__(self, "references", tuple(self.references))
        _require(self.format == FORMAT, "format", FORMAT, self.format)
        _require(_is_positive_number(self.cutoff), "cutoff", "a number larger than 0", self.cutoff)
        _require(_are_distinct_names(self.type_names), "type_names", "distinct, non-empty names", self.type_names)
        _require(_is_count(self.n_layers), "n_layers", "a whole number of at least 1", self.n_layers)
        _require(self.dtype in ("float32", "float64"), "dtype", "float32 or float64", self.dtype)
        _require(self.units in ("metal", "lj"), "units", "metal or lj", self.units)
        _require(isinstance(self.conservative, bool), "conservative", "true or false", self.conservative)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """The manifest written by `to_json`; keys of later versions of the format are ignored.

        Raises:
            ModelFileError: If the text is no JSON object, or a key is missing or wrong.
        """
        try:
            entries = json.loads(text)
        except ValueError as error:
            raise ModelFileError(f"{ENTRY} is not JSON: {error}") from error
        if not isinstance(entries, dict):
            raise ModelFileError(f"{ENTRY} must be a JSON object, received {type(entries).__name__}")
        missing = {"format", "cutoff", "type_names", "n_layers", "dtype", "units"} - entries.keys()
        if missing:
            raise ModelFileError(f"{ENTRY} has no key {', '.join(sorted(missing))}")
        known = {f.name for f in fields(cls)}
        return cls(**{key: value for key, value in entries.items() if key in known})

    def names_atoms(self, symbols: Sequence[str]) -> bool:
        """Whether the types are the atoms of one molecule, in its order: C1 C2 O3 ..., and not elements."""
        return self.type_names == tuple(f"{symbol}{k}" for k, symbol in enumerate(symbols, 1))

    def to_json(self) -> str:
        """The text of `lampion.json`."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)


def save_model(module: torch.jit.ScriptModule, manifest: Manifest, path: str | os.PathLike[str]) -> None:
    """Write a model file. It appears under its name only when it is complete and on the disk.

    Raises:
        ModelFileError: If the folder cannot be written to.
    """
    import torch

    try:
        with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
            torch.jit.save(module, file, _extra_files={ENTRY: manifest.to_json()})
    except OSError as error:
        raise ModelFileError(f"cannot write model file {path}: {error.strerror}") from error


def is_model_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as the archives do that model files are; what it lacks, `read_manifest` says."""
    with Path(path).open("rb") as stream:
        return stream.read(4) == b"PK\3\4"


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """The manifest of a model file. Only the zip archive is read: nothing in it is executed.

    Raises:
        ModelFileError: If the file is missing, damaged, or not a Lampion model file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(f"/extra/{ENTRY}")]
            text = archive.read(names[0]).decode() if names else None
    except (zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise ModelFileError(_foreign(path, f"it is no complete archive ({error})")) from error
    except OSError as error:
        raise ModelFileError(f"cannot open model file {path}: {error.strerror}") from error
    if text is None:
        raise ModelFileError(_foreign(path, f"the archive holds no {ENTRY}, so another program made it"))
    try:
        return Manifest.from_json(text)
    except ModelFileError as error:
        raise ModelFileError(f"model file {path}: {error}; export it anew with `lampion export`") from error


def load_model(path: str | os.PathLike[str], device: str = "cpu") -> tuple[torch.jit.ScriptModule, Manifest]:
    """The module of a model file and its manifest.

    A TorchScript module is a program: load only files whose origin you trust.

    Raises:
        ModelFileError: If the file is missing, damaged, or not a Lampion model file.
    """
    manifest = read_manifest(path)
    import torch

    try:
        module = torch.jit.load(os.fspath(path) if not manifest.compiled else _script(path), map_location=device)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelFileError(f"model file {path} cannot be loaded by torch {torch.__version__}: {reason}") from error
    return module.eval(), manifest


def _script(path: str | os.PathLike[str]) -> io.BytesIO:
    """The TorchScript module in a compiled model file."""
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(f"/{SCRIPT}"))
        return io.BytesIO(archive.read(name))


def _foreign(path: str | os.PathLike[str], reason: str) -> str:
    return f"{path} is not a Lampion model file: {reason}; make one with `lampion export`"


def _require(good: bool, key: str, expected: str, received: object) -> None:
    if not good:
        raise ModelFileError(f"{key} must be {expected}, received {received!r}")


def _is_positive_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _are_distinct_names(names: tuple[str, ...]) -> bool:
    return bool(names) and all(isinstance(n, str) and n for n in names) and len(set(names)) == len(names)
