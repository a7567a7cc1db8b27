"""`lampion tune`: search for the training configuration that validates best."""

import importlib.util
import math
from pathlib import Path
from typing import Annotated

import typer


class MissingExtraError(ValueError):
    """An optional package that is not installed."""

    exit_code = 5


def tune(
    config: Annotated[Path, typer.Argument(help="YAML training configuration to start from")],
    search: Annotated[Path, typer.Argument(help="YAML search: `space`, `metric`, see docs/tune.md")],
    trials: Annotated[int, typer.Option(help="Trials in all, those of earlier starts included.", min=1)] = 50,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the search; an existing one is continued")] = Path(
        "tune"
    ),
    processes: Annotated[int, typer.Option(help="Trials trained at once.", min=1)] = 1,
    timeout: Annotated[float, typer.Option(help="Begin no trial after that many seconds.", min=0)] = math.inf,
    worker: Annotated[bool, typer.Option("--worker", hidden=True, help="Leave the summary to the parent.")] = False,
) -> None:
    """Search hyperparameters; leaves best.yaml for `lampion train`, trials.csv and tune.html. Run again to continue."""
    if importlib.util.find_spec("optuna") is None:
        raise MissingExtraError("`lampion tune` needs optuna: pip install 'lampion[tune]'")
    from lampion.pipeline.resumable import exits_resumable
    from lampion.pipeline.tune.trials import Tuning
    from lampion.pipeline.workers import run_workers

    with exits_resumable():
        tuning = Tuning(config, search, out)
        if processes > 1:
            arguments = ["tune", str(config), str(search), "--trials", str(trials), "-o", str(out), "--worker"]
            run_workers([*arguments, "--timeout", str(timeout)], processes)
        else:
            tuning.run(trials, lambda line: print(line, flush=True), seconds=timeout)
    if worker:
        return
    from lampion.pipeline.tune.report import write_tune_report

    best = tuning.best
    write_tune_report(tuning.study, tuning.search.metric, out / "tune.html")
    print(f"best: trial {best.number}, {tuning.search.metric} {best.value:.6g}")
    print(out / "best.yaml")
