"""What a search leaves for people and programs: a table of its trials and the best configuration."""

import csv
from collections.abc import Sequence
from pathlib import Path

from optuna.trial import FrozenTrial

from lampion.training.files import atomic_path


def write_table(trials: Sequence[FrozenTrial], path: Path) -> None:
    """Write one line per trial: number, state, value, epochs, seconds, reason of a failure, and its parameters."""
    keys = sorted({key for trial in trials for key in trial.params})
    with atomic_path(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["trial", "state", "value", "epochs", "seconds", "reason", *keys])
        for trial in trials:
            seconds = trial.duration.total_seconds() if trial.duration else ""
            row = [trial.number, trial.state.name, "" if trial.value is None else trial.value]
            row += [len(trial.intermediate_values), seconds, trial.user_attrs.get("reason", "")]
            writer.writerow(row + [trial.params.get(key, "") for key in keys])


def write_best(best: FrozenTrial, metric: str, folder: Path, path: Path) -> None:
    """Write the configuration of the best trial, complete, as `lampion train` reads it."""
    head = f"# trial {best.number}: {metric} {best.value:.6g}; trained in {folder.name}\n"
    with atomic_path(path) as temporary:
        temporary.write_text(head + (folder / "config.yaml").read_text())
