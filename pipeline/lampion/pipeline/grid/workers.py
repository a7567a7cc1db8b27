"""The processes of a study of many models, and the share of their time that is not work on a model."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from lampion.pipeline.grid.config import GridModel
from lampion.pipeline.grid.study import Announce, GridStudy
from lampion.pipeline.locks import FileLock
from lampion.pipeline.workers import run_workers

#: what every process did, one line each
LEDGER = "workers.jsonl"


def work_alone(study: GridStudy, models: Sequence[GridModel], announce: Announce, *, begun: float, wait: bool) -> None:
    """Work on models in this process until none is left, and note the time.

    Args:
        begun: when this process was asked for, by `time.monotonic`: its start counts as scheduling.
        wait: for models that another process works on.
    """
    worked = study.run(models, announce, wait=wait)
    row = {"begun": begun, "seconds": time.monotonic() - begun, "work": worked}
    with FileLock(study.folder / "data.lock"), (study.folder / LEDGER).open("a", encoding="utf-8") as ledger:
        ledger.write(json.dumps(row) + "\n")


def work_together(arguments: list[str], processes: int) -> None:
    """The same in several processes: `lampion ARGUMENTS`, each taking model after model as it gets free.

    Raises:
        InterruptedTrainingError, WorkerError: see `tune_workers.run_workers`.
    """
    run_workers([*arguments, "--worker", repr(time.monotonic())], processes)


def scheduling(folder: Path, since: float) -> str | None:
    """What the processes begun since then did other than work; None if none worked.

    A process that finds nothing left ends; the time others then still need is not counted as its own.
    """
    path = folder / LEDGER
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    recent = [row for row in rows if row["begun"] >= since and row["work"] > 0.0]
    if not recent:
        return None
    seconds, worked = (sum(row[name] for row in recent) for name in ("seconds", "work"))
    share = 100.0 * (1.0 - worked / seconds)
    return f"scheduling: {share:.1f} % of {seconds:.0f} s in {len(recent)} processes"
