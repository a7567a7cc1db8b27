"""`lampion improve`: learn from failures until they are rare enough."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lampion.pipeline.cli.options import AsJson


def improve(
    config: Annotated[Path, typer.Argument(help="YAML file: training, data, reference, stability, see docs/study.md")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder; an existing one is continued")] = Path("improve"),
    target: Annotated[float | None, typer.Option(help="Upper end of the failure probability's interval")] = None,
    rounds: Annotated[int | None, typer.Option(help="Times that frames are added, at most")] = None,
    frames: Annotated[int | None, typer.Option(help="Frames added in a round")] = None,
    as_json: AsJson = False,
) -> None:
    """Test, label frames before failure with the reference, fine-tune, test again; exit code 4 if the target is missed.

    Run again to continue; leaves rounds.json, report.html and the model file of every round.
    """
    from lampion.pipeline.improve.config import improve_config
    from lampion.pipeline.improve.rounds import Improvement
    from lampion.pipeline.resumable import exits_resumable

    settings = improve_config(config, {"target": target, "rounds": rounds, "frames": frames})
    with exits_resumable():
        found = Improvement(settings, out).run(lambda text: print(text, flush=True))
    last = found[-1]
    reached = last.limit <= settings.target
    if as_json:
        print(json.dumps(json.loads((out / "rounds.json").read_text()), ensure_ascii=False))
    else:
        said = "reached" if reached else "missed"
        print(f"target {said}: upper limit {100 * last.limit:.1f} %, asked for {100 * settings.target:g} %")
        print(out / f"round-{last.number}" / "model.pt")
    if not reached:
        raise typer.Exit(4)
