"""`lampion study`: from data to verdict, of one system or of a grid of models."""

import time
from pathlib import Path
from typing import Annotated

import typer

from lampion.pipeline.cli.verdict import exit_by, print_verdict

GRID_ONLY = "studies of many models, such as ethanol"


def study(
    name: Annotated[
        str,
        typer.Argument(
            help="Shipped study (aluminium, argon, water; ethanol: see docs/study.md), or the path of a study file"
        ),
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder; default: runs/NAME")] = None,
    sets: Annotated[
        list[str],
        typer.Option("--set", help="Replace a value of the config, e.g. --set model.cutoff=6.", metavar="KEY=VALUE"),
    ] = [],  # noqa: B006 - typer copies it
    data: Annotated[Path | None, typer.Option(help=f"Labelled frames; {GRID_ONLY}")] = None,
    small: Annotated[bool, typer.Option("--small", help=f"The small grid; {GRID_ONLY}")] = False,
    jobs: Annotated[int | None, typer.Option(help=f"Processes; {GRID_ONLY}. Default 1", min=1)] = None,
    models: Annotated[
        list[str], typer.Option("--model", help=f"Only this model; may be repeated; {GRID_ONLY}", metavar="NAME")
    ] = [],  # noqa: B006
    dry_run: Annotated[bool, typer.Option("--dry-run", help=f"List the models; {GRID_ONLY}")] = False,
    worker: Annotated[float | None, typer.Option("--worker", hidden=True)] = None,
) -> None:
    """Run a study from data to verdict; continues where it stopped and skips what is up to date."""
    from lampion.pipeline.grid.config import is_grid, study_path

    if not is_grid(study_path(name)):
        _refuse({"--data": data, "--small": small, "--jobs": jobs, "--model": models, "--dry-run": dry_run}, name)
        _one_system(name, out, sets)
        return
    _many_models(name, out, sets, data=data, small=small, jobs=jobs or 1, models=models, dry_run=dry_run, begun=worker)


def _refuse(options: dict[str, object], name: str) -> None:
    for option, value in options.items():
        if value:
            raise typer.BadParameter(f"is for {GRID_ONLY}; {name} is none", param_hint=option)


def _one_system(name: str, out: Path | None, sets: list[str]) -> None:
    from lampion.pipeline.study.config import find_study
    from lampion.pipeline.study.model_form import require_compiler
    from lampion.pipeline.study.stages import StageRecord, run_stages
    from lampion.pipeline.study.study import Study

    files = find_study(name, sets)
    require_compiler(files.config.compiled)
    folder = out or Path("runs") / files.config.system
    folder.mkdir(parents=True, exist_ok=True)
    record = StageRecord(folder / "stages.json")
    steps = Study(files, folder)
    run_stages(steps.stages(), record, lambda text: print(text, flush=True))
    analysis = steps.conclude(record)
    print_verdict(analysis)
    print(folder / "report.html")
    exit_by(analysis)


def _many_models(
    name: str,
    out: Path | None,
    sets: list[str],
    *,
    data: Path | None,
    small: bool,
    jobs: int,
    models: list[str],
    dry_run: bool,
    begun: float | None,
) -> None:
    started = time.monotonic() if begun is None else begun
    from lampion.pipeline.grid.config import default_folder, load_grid
    from lampion.pipeline.grid.data import require_data
    from lampion.pipeline.grid.report import conclude, lines
    from lampion.pipeline.grid.study import GridStudy, chosen
    from lampion.pipeline.grid.workers import scheduling, work_alone, work_together
    from lampion.pipeline.resumable import exits_resumable

    grid = load_grid(name, small=small, sets=sets)
    todo = chosen(grid, models)
    folder = out or default_folder(name, small)
    study = GridStudy(grid, require_data(grid, data), folder)
    with exits_resumable():
        if dry_run:
            print("\n".join(f"{model.name:50s} {study.state(model)}" for model in todo))
            return
        study.prepare()
        if jobs == 1:
            work_alone(study, todo, lambda text: print(text, flush=True), begun=started, wait=bool(models))
        else:
            given = [*("--set=" + text for text in sets), *(f"--model={model.name}" for model in todo if models)]
            arguments = ["study", name, "--data", str(data), "-o", str(folder), *given, *(["--small"] if small else [])]
            work_together(arguments, jobs)
        if begun is not None or models:
            return
        summary = conclude(study)
    print("\n".join([*lines(summary), *filter(None, [scheduling(folder, started)]), str(folder / "report.html")]))
