"""Checkpoints: written whole or not at all, two kept besides the best, read without running code."""

import io
from pathlib import Path
from typing import Any

import torch

from lampion.training.config.training import TrainConfig
from lampion.training.errors import CheckpointError
from lampion.training.files import atomic_path

FORMAT = "lampion-checkpoint/1"
KEEP = 2


def write_checkpoint(content: dict[str, Any], path: Path) -> None:
    """Write a dictionary of tensors and plain Python values; the file appears complete or not at all.

    Raises:
        OSError: the disk is full or the folder cannot be written; torch's own writer would hide which.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **content}, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint with `weights_only=True`, so that no code in the file can run.

    Raises:
        CheckpointError: missing, damaged or foreign file.
    """
    if not path.exists():
        raise CheckpointError(f"{path}: no such checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError, ... for a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: is damaged or not a checkpoint ({reason})") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path}: is not a Lampion checkpoint ({FORMAT})")
    return content


def checkpoint_path(folder: Path, step: int) -> Path:
    """Name of the checkpoint of a training step."""
    return folder / f"step-{step:08d}.ckpt"


def prune(folder: Path) -> None:
    """Remove all but the newest checkpoints."""
    for path in sorted(folder.glob("step-*.ckpt"))[:-KEEP]:
        path.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove files that a killed process has not finished writing."""
    for path in folder.rglob(".*.tmp"):
        path.unlink()


def newest_valid(folder: Path) -> dict[str, Any] | None:
    """Newest checkpoint of a folder that can be read, none if the folder holds none.

    Raises:
        CheckpointError: there are checkpoints and none can be read; training must not start over unasked.
    """
    problems = []
    for path in sorted(folder.glob("step-*.ckpt"), reverse=True):
        try:
            return read_checkpoint(path)
        except CheckpointError as error:
            problems.append(str(error))
    if problems:
        raise CheckpointError(f"{problems[0]}, and no older one is left; to start again, remove {folder}")
    return None


def require_same_run(content: dict[str, Any], config: TrainConfig, data_sha256: str, folder: Path) -> None:
    """Refuse to go on with other data or another configuration than those of a checkpoint.

    Raises:
        CheckpointError: says which.
    """
    if content["data_sha256"] != data_sha256:
        raise CheckpointError(
            f"{folder}: its checkpoints were trained on other data than {config.data.file}; "
            "use the same file, or another folder (-o)"
        )
    if content["config"] != config.model_dump():
        raise CheckpointError(f"{folder}: its checkpoints have another configuration; use another folder (-o)")
