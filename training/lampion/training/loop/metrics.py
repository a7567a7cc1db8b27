"""Metrics of the training as JSON lines and as CSV, in step with the checkpoints; for TensorBoard if asked."""

import csv
import json
from pathlib import Path
from typing import Any

from lampion.training.errors import ConfigError
from lampion.training.files import atomic_path

Record = dict[str, float]


class MetricsLog:
    """One record per epoch: `metrics.jsonl` and `metrics.csv`, appended and flushed as it comes.

    Args:
        folder: where the files are.
        tensorboard: write event files to `folder`/tensorboard as well.

    Raises:
        ConfigError: TensorBoard is asked for and not installed.
    """

    def __init__(self, folder: Path, *, tensorboard: bool = False) -> None:
        self.jsonl, self.csv = folder / "metrics.jsonl", folder / "metrics.csv"
        self._events = folder / "tensorboard"
        self._summary: Any = _summary_writer() if tensorboard else None
        self._writer: Any = None

    def append(self, record: Record) -> None:
        """Add one record."""
        self.jsonl.parent.mkdir(parents=True, exist_ok=True)
        with self.jsonl.open("a") as stream:
            stream.write(json.dumps(record) + "\n")
        with self.csv.open("a", newline="") as stream:
            _write_rows(stream, [record], header=stream.tell() == 0)
        if self._summary:
            self._add_events(record)

    def truncate(self, step: int) -> None:
        """Drop what was written after the checkpoint of `step`, and a line cut off by a kill."""
        if not self.jsonl.exists():
            return
        kept = [line for line in self.jsonl.read_text().splitlines() if _step_of(line) <= step]
        with atomic_path(self.jsonl) as temporary:
            temporary.write_text("".join(line + "\n" for line in kept))
        with atomic_path(self.csv) as temporary, temporary.open("w", newline="") as stream:
            _write_rows(stream, [json.loads(line) for line in kept], header=bool(kept))

    def _add_events(self, record: Record) -> None:
        if self._writer is None:  # events of a run that was killed later than its last checkpoint are purged
            self._writer = self._summary(str(self._events), purge_step=int(record["step"]))
        for name, value in record.items():
            self._writer.add_scalar(name, value, int(record["step"]))
        self._writer.flush()


def _write_rows(stream: Any, records: list[Record], *, header: bool) -> None:
    if records:
        writer = csv.DictWriter(stream, list(records[0]), lineterminator="\n")
        if header:
            writer.writeheader()
        writer.writerows(records)


def _summary_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError(
            "tensorboard is asked for and not installed: pip install 'lampion[track]', or set tensorboard: false"
        ) from None
    return SummaryWriter


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError):
        return float("inf")
