"""Stages of a study: each runs once for its inputs and parameters, resumes if it can, else is skipped."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lampion.pipeline.records import write_json
from lampion.training.files import sha256


@dataclass(frozen=True)
class Stage:
    """One step of a study.

    Attributes:
        name: shown to the user, key in the record.
        work: does the work; must leave all outputs.
        inputs: files it reads; a change makes the stage run again.
        outputs: files it writes.
        parameters: everything else its result depends on.
        folder: removed before the stage starts anew; kept when an interrupted stage continues.
    """

    name: str
    work: Callable[[], object]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    def key(self) -> str:
        """Fingerprint of inputs and parameters."""
        content = [[sha256(path) for path in self.inputs], self.parameters]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


class StageRecord:
    """What ran, with which fingerprint, for how long; one JSON file per study."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}

    def is_current(self, stage: Stage) -> bool:
        """Whether the stage finished with its present inputs and its outputs are there."""
        entry = self.entries.get(stage.name, {})
        return (
            entry.get("done") is True
            and all(path.exists() for path in (*stage.inputs, *stage.outputs))
            and entry["key"] == stage.key()
        )

    def begin(self, stage: Stage) -> None:
        """Note the start; what an earlier start with other inputs left is removed."""
        key, entry = stage.key(), self.entries.get(stage.name, {})
        if entry.get("key") != key:
            if stage.folder:
                shutil.rmtree(stage.folder, ignore_errors=True)
            entry = {"key": key, "seconds": 0.0}
        self.entries[stage.name] = {**entry, "done": False}
        self._write()

    def end(self, stage: Stage, seconds: float, *, done: bool) -> None:
        """Add the time and, if all is well, mark the stage as done."""
        entry = self.entries[stage.name]
        self.entries[stage.name] = {**entry, "seconds": entry["seconds"] + seconds, "done": done}
        self._write()

    @property
    def seconds(self) -> dict[str, float]:
        """Wall time per stage, interrupted starts included."""
        return {name: round(entry["seconds"], 1) for name, entry in self.entries.items()}

    def _write(self) -> None:
        write_json(self.path, self.entries)


def run_stages(stages: Iterable[Stage], record: StageRecord, announce: Callable[[str], None]) -> None:
    """Run the stages in order; those up to date are skipped."""
    todo = list(stages)
    for number, stage in enumerate(todo, start=1):
        title = f"[{number}/{len(todo)}] {stage.name}"
        if record.is_current(stage):
            announce(f"{title}: up to date")
            continue
        announce(title)
        record.begin(stage)
        started, done = time.monotonic(), False
        try:
            stage.work()
            done = True
        finally:
            record.end(stage, time.monotonic() - started, done=done)
