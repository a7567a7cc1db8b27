"""`lampion stability`: how often, when and why replicas of a system fail under a model."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lampion.pipeline.cli.options import AsJson, Restart


def stability(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file with the keys below; options replace its values")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Model file")] = None,
    starts: Annotated[Path | None, typer.Option(help="Frames of one molecule or periodic system")] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Model file of a reference surface, run from the same starts as a control")
    ] = None,
    replicas: Annotated[int | None, typer.Option(help="Drawn from the frames; default 100")] = None,
    periodic: Annotated[
        bool | None,
        typer.Option("--periodic/--molecules", help="Whether frames are boxes that repeat; default: as they say"),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Time steps; default 100,000")] = None,
    ensemble: Annotated[str | None, typer.Option(help="nve or nvt; default nve")] = None,
    temperature: Annotated[float | None, typer.Option(help="K; default 300 in nve, 500 in nvt")] = None,
    timestep: Annotated[float | None, typer.Option(help="fs; default 1 in nve, 0.5 in nvt")] = None,
    criterion: Annotated[str | None, typer.Option(help="What counts as a failure: lampion, gradient, ...")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the draw, the velocities and the bath")] = None,
    ranks: Annotated[int | None, typer.Option(help="MPI processes")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write")] = Path("stability"),
    restart: Restart = "never",
    so_far: Annotated[
        bool, typer.Option("--so-far", help="Judge what has been run until now, also while it goes on; run nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run replicas of a molecule or a bulk system and judge them; leaves stability.json and report.html."""
    from lampion.pipeline.stability.config import stability_config
    from lampion.pipeline.stability.lab import judge_so_far, run_stability, summary_lines

    given = {
        "model": model,
        "starts": starts,
        "reference": reference,
        "replicas": replicas,
        "periodic": periodic,
        "steps": steps,
        "ensemble": ensemble,
        "temperature": temperature,
        "timestep": timestep,
        "criterion": criterion,
        "seed": seed,
        "ranks": ranks,
    }
    asked = stability_config(config, given)
    figures = judge_so_far(asked, out) if so_far else run_stability(asked, out, restart=restart == "auto")
    lines = (
        [json.dumps(figures, ensure_ascii=False)] if as_json else [*summary_lines(figures), str(out / "report.html")]
    )
    print("\n".join(lines))
