"""A run that `lampion diagnose` looks into: its record, its model, how to set it up again."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lampion.analysis.stability.folder import Watched, read_watched
from lampion.analysis.stability.records import RECORD_COLUMNS, columns_of
from lampion.deploy.modelfile import Manifest, load_model, read_manifest, save_model
from lampion.pipeline.lmp.replay import Replay, replay
from lampion.pipeline.lmp.runner import LOG, RECORD
from lampion.training.errors import DataError
from lampion.training.files import sha256


@dataclass(frozen=True)
class Case:
    """A run to look into.

    Attributes:
        folder: of `lmp`. record: its run.json. run: how to set it up. manifest: of its model.
        watched: what `fix lampion/replicas` wrote, if it was there.
    """

    folder: Path
    record: dict[str, Any]
    run: Replay
    manifest: Manifest
    watched: Watched | None


def portable(case: Case, folder: Path) -> Replay:
    """The run with a model that can be cast to another precision: of a compiled file, the TorchScript module in it.

    Args:
        case: the run.
        folder: gets the file of the module.
    """
    if not case.manifest.compiled:
        return case.run
    module, manifest = load_model(case.run.model)
    path = folder.resolve() / "portable.pt"
    save_model(module, replace(manifest, compiled=None), path)
    return case.run.with_model(path)


def open_case(folder: Path, model: Path | None) -> Case:
    """Find the parts of a run.

    Args:
        folder: of `lampion stability` or `lampion run`. model: where the run's model file is now, if it was moved.

    Raises:
        DataError: not such a folder, a model that is gone or not the one it ran with, a start that cannot be rebuilt.
    """
    inside = folder / "run" if (folder / "plan.json").is_file() else folder
    path = inside / RECORD
    if not path.is_file():
        raise DataError(f"{folder}: no {RECORD}; give a folder of `lampion stability` or `lampion run`")
    record = json.loads(path.read_text(encoding="utf-8"))
    run = replay(inside / LOG)
    if model:
        run = run.with_model(model.resolve())
    if not run.model.is_file():
        raise DataError(f"{run.model}: the model of the run is gone; say where it is with --model")
    ran = record.get("model") or {}
    if "sha256" in ran and ran["sha256"] != sha256(run.model):
        raise DataError(f"{run.model}: not the model of the run in {folder}: its content has changed since")
    watched = read_watched(inside) if any(_is_record(file) for file in inside.iterdir()) else None
    return Case(inside, record, run, read_manifest(run.model), watched)


def _is_record(path: Path) -> bool:
    return path.is_file() and columns_of(path) == RECORD_COLUMNS
