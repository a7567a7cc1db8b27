"""`lampion diagnose`: why a run drifts, and how its forces go wrong before a failure."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lampion.pipeline.cli.options import AsJson


def diagnose(
    run_folder: Annotated[Path, typer.Argument(help="Folder of lampion stability or lampion run", metavar="RUN")],
    steps: Annotated[int, typer.Option(help="Of a repeated segment, at the time step of the run")] = 2000,
    model: Annotated[Path | None, typer.Option(help="Where the model file of the run is now, if it was moved")] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Model file or LAMMPS input that relabels the frames before failures")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Training frames, or folder of the training: how far these frames are from them")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder to write to; default: the run's")] = None,
    as_json: AsJson = False,
) -> None:
    """Find out why the energy of a run drifts and why replicas fail; writes diagnosis.json and diagnosis.html."""
    from lampion.pipeline.diagnose.diagnosis import diagnose as find_out
    from lampion.pipeline.diagnose.diagnosis import table_lines

    folder = out or run_folder
    found = find_out(run_folder, folder, steps=steps, model=model, reference=reference, data=data)
    lines = (
        [json.dumps(found, ensure_ascii=False)] if as_json else [*table_lines(found), str(folder / "diagnosis.html")]
    )
    print("\n".join(lines))
