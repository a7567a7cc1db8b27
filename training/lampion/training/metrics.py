"""Metrics of the training as JSON lines, in step with the checkpoints."""

import json
from pathlib import Path

from lampion.training.files import atomic_path


class MetricsLog:
    """One JSON object per epoch, appended and flushed as it comes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: dict[str, float]) -> None:
        """Add one line."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as stream:
            stream.write(json.dumps(record) + "\n")

    def truncate(self, step: int) -> None:
        """Drop what was written after the checkpoint of `step`, and a line cut off by a kill."""
        if not self.path.exists():
            return
        kept = [line for line in self.path.read_text().splitlines() if _step_of(line) <= step]
        with atomic_path(self.path) as temporary:
            temporary.write_text("".join(line + "\n" for line in kept))


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError):
        return float("inf")
