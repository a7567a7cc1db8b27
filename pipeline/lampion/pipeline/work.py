"""The verbs as functions: each takes files and leaves files. The command line and the studies both call these."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lampion.pipeline.lmp.failure import RunFailedError, failed
from lampion.pipeline.lmp.runner import RunResult, run_lammps
from lampion.pipeline.progress import Task, task
from lampion.training.checks.summary import Summary
from lampion.training.labels.read_options import ReadOptions
from lampion.training.preparation.convert import convert as convert_labels

Variables = Mapping[str, str | float]


def simulate(
    script: Path, folder: Path, variables: Variables, *, ranks: int = 1, threads: int = 1, force: bool = False
) -> RunResult:
    """Run `lmp` on an input with progress.

    Raises:
        RunFailedError: the run did not complete; says how it ended.
        KeyboardInterrupt: the run completed after the user had asked to stop.
        RunError: see `runner.run_lammps`.
    """
    result = run_shown(script, folder, variables, ranks=ranks, threads=threads, force=force)
    if not result.ending.ok:
        raise failed(result)
    if result.interrupted:
        raise KeyboardInterrupt
    return result


def run_shown(
    script: Path, folder: Path, variables: Variables, *, ranks: int = 1, threads: int = 1, force: bool = False
) -> RunResult:
    """Run `lmp` on an input with progress, however it ends."""
    with task(f"lmp {script.name}") as shown:

        def progress(step: int, last: int | None) -> None:
            if last:
                shown.update(step, last, "steps")

        return run_lammps(
            script, folder=folder, variables=variables, ranks=ranks, threads=threads, progress=progress, force=force
        )


def the_dump(folder: Path) -> Path:
    """The one dump of a run folder.

    Raises:
        RunFailedError: none or several.
    """
    dumps = [*folder.glob("*.dump"), *folder.glob("*.dump.gz")]
    if len(dumps) != 1:
        found = ", ".join(dump.name for dump in dumps) or "none"
        raise RunFailedError(f"{folder}: expected one *.dump, found {found}", 3)
    return dumps[0]


def convert(dump: Path, log: Path, output: Path, *, types: str | None = None) -> Summary:
    """Labels of a LAMMPS run -> packed frames; refuses what cannot be trained on.

    Args:
        dump, log: of the run.
        output: file of frames.
        types: elements of types 1, 2, ... if the dump does not say.
    """
    return convert_labels(dump, output, ReadOptions(log=log, types=types)).summary


def train(
    config: Path, folder: Path, *, data: Path | None, restart: bool, overrides: Sequence[str] = (), committee: int = 1
) -> list[Path]:
    """Train with progress; returns the best checkpoint, or that of every member of a committee.

    Args:
        config: YAML training configuration.
        folder: of checkpoints and metrics.
        data: labelled frames, in place of those the configuration names.
        restart: continue an interrupted training of this folder.
        overrides: `section.key=value` texts.
        committee: members; more than one train in `folder`/member-1, ...
    """
    from lampion.training.config.training import load_config
    from lampion.training.loop.committee import train_committee
    from lampion.training.loop.train import Training

    loaded = load_config(config, [*overrides, *([f"data.file={data}"] if data else [])])
    with task("training" if committee == 1 else f"training of {committee} members") as shown:
        if committee == 1:
            return [Training(loaded, folder).run(restart=restart, report=_epochs(shown, 0, 1))]
        return train_committee(
            loaded, folder, committee, restart=restart, report=lambda number: _epochs(shown, number - 1, committee)
        )


def _epochs(shown: Task, done: int, members: int) -> Callable[[dict[str, float], int], None]:
    """Progress of a training epoch by epoch, after those of the members that are done."""

    def report(record: dict[str, float], epochs: int) -> None:
        detail = (
            f"epochs, valid: {record['valid_energy_mae_meV_per_atom']:.3f} meV/atom, "
            f"{record['valid_forces_mae_meV_per_A']:.2f} meV/Å"
        )
        shown.update(done * epochs + record["epoch"], members * epochs, detail)

    return report


def describe_training(config: Path, data: Path | None, overrides: Sequence[str]) -> str:
    """What a training would do: frames, parameters, steps; trains nothing."""
    import tempfile

    from lampion.training.config.training import load_config
    from lampion.training.loop.train import Training

    changes = [*overrides, *([f"data.file={data}"] if data else [])]
    with tempfile.TemporaryDirectory() as folder:
        training = Training(load_config(config, changes), Path(folder))
    split, parameters = training.split, sum(p.numel() for p in training.model.parameters())
    return (
        f"{len(split.train)} frames to train on, {len(split.valid)} to validate, {len(split.test)} to test; "
        f"{parameters} parameters; {training.total_steps} steps in {training.config.epochs} epochs"
    )
