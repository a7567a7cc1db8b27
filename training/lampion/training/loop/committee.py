"""Committees: the same training several times from different seeds, for a spread of predictions."""

from collections.abc import Callable
from pathlib import Path

from lampion.training.config.training import TrainConfig
from lampion.training.loop.train import Report, Training


def member_configs(config: TrainConfig, members: int) -> list[TrainConfig]:
    """The configuration with successive seeds; with `bootstrap` each seed also draws other frames."""
    return [config.model_copy(update={"seed": config.seed + k}) for k in range(members)]


def train_committee(
    config: TrainConfig,
    folder: Path,
    members: int,
    *,
    restart: bool,
    report: Callable[[int], Report] | None = None,
) -> list[Path]:
    """Train the members one after the other in `folder`/member-1, member-2, ...; return their best checkpoints.

    Args:
        config: of the first member.
        folder: of the members' folders.
        members: how many.
        restart: go on from what is there: finished members are kept, an unfinished one continues.
        report: called with the number of a member, from 1; what it returns is called after every epoch of it.

    Raises:
        CheckpointError, InterruptedTrainingError: see `Training.run`.
    """
    best = []
    for number, member in enumerate(member_configs(config, members), 1):
        training = Training(member, folder / f"member-{number}")
        best.append(training.run(restart=restart, report=report(number) if report else None))
    return best
