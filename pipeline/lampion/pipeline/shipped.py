"""The LAMMPS inputs, training configs and studies that travel with Lampion."""

import difflib
import os
import shutil
from importlib import resources
from pathlib import Path

# Where each kind lies in a source checkout; in an installed package all lie in `shipped/`.
_SOURCE_FOLDERS = {"lammps_inputs": "lammps_inputs", "configs": "training/configs", "studies": "pipeline/studies"}


class ShippedFileError(ValueError):
    """A name that is not shipped, or a copy that would overwrite something."""

    exit_code = 2


def shipped_path(name: str) -> Path:
    """The shipped file or folder called `name`, such as `lammps_inputs/argon` or `studies/argon.yaml`.

    Raises:
        ShippedFileError: there is no such file; the message lists those there are.
    """
    kind, _, rest = name.partition("/")
    folder = _folder(kind)
    path = folder / rest if folder else None
    if path is None or not rest or not path.exists():
        raise ShippedFileError(f"'{name}' is not shipped with Lampion{_hint(name, shipped_names())}")
    return path


def shipped_names() -> list[str]:
    """Everything `shipped_path` knows at the first level, such as `configs/argon.yaml`, sorted."""
    return sorted(f"{kind}/{entry.name}" for kind in _SOURCE_FOLDERS for entry in _entries(kind))


def systems() -> list[str]:
    """The systems `copy_inputs` knows, sorted."""
    entries = [entry for kind in _SOURCE_FOLDERS for entry in _entries(kind)]
    return sorted({entry.stem for entry in entries if entry.is_dir() or entry.suffix == ".yaml"})


def copy_inputs(system: str, target: Path | str, *, force: bool = False) -> list[Path]:
    """Copy a system's LAMMPS inputs, training config and study to `target` for editing; return the files written.

    They become `target/lammps_inputs/<system>/...`, `target/configs/<system>.yaml` and `target/studies/<system>...`,
    each a folder or a YAML file as it is shipped; a system without one of them goes without.

    Raises:
        ShippedFileError: an unknown system; or a file that is there already and would change, unless `force`. Nothing
            has been written then.
    """
    if system not in systems():
        raise ShippedFileError(f"no shipped system is called '{system}'{_hint(system, systems())}")
    copies = {Path(target) / name: source for name, source in _files_of(system).items()}
    edited = [path for path, source in copies.items() if path.exists() and path.read_bytes() != source.read_bytes()]
    if edited and not force:
        raise ShippedFileError(
            f"{edited[0]} exists and differs from the shipped file: move it, or overwrite with --force"
        )
    for path, source in copies.items():
        _copy(source, path)
    return list(copies)


def _files_of(system: str) -> dict[str, Path]:
    """What to copy for a system: name below the target -> source."""
    files: dict[str, Path] = {}
    for kind in _SOURCE_FOLDERS:
        for entry in _entries(kind):
            if entry.name in (system, f"{system}.yaml"):
                files |= {f"{kind}/{path.relative_to(entry.parent).as_posix()}": path for path in _files_in(entry)}
    return files


def _files_in(entry: Path) -> list[Path]:
    if entry.is_file():
        return [entry]
    return sorted(path for path in entry.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _copy(source: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.copyfile(source, temporary)
    temporary.replace(path)


def _entries(kind: str) -> list[Path]:
    folder = _folder(kind)
    return [entry for entry in folder.iterdir() if not entry.name.startswith((".", "_"))] if folder else []


def _folder(kind: str) -> Path | None:
    """The folder of one kind: of this very checkout if we run from one, else of the installed package."""
    if kind not in _SOURCE_FOLDERS:
        return None
    root = _source_root()
    folder = root / _SOURCE_FOLDERS[kind] if root else Path(str(resources.files("lampion.pipeline") / "shipped" / kind))
    return folder if folder.is_dir() else None


def _source_root() -> Path | None:
    """The checkout this module is imported from (also by an editable install), or None when it is installed."""
    room = Path(__file__).resolve().parents[2]
    root = room.parent
    is_checkout = room.name == "pipeline" and (root / "pyproject.toml").is_file() and (root / "lammps_inputs").is_dir()
    return root if is_checkout else None


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    guess = f", did you mean '{close[0]}'?" if close else ";"
    return f"{guess} shipped: {', '.join(known) or 'nothing'}"
