"""`lampion evaluate`: how far a model file is from labelled frames, and where."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lampion.pipeline.cli.options import AsJson

if TYPE_CHECKING:
    from lampion.pipeline.evaluate.evaluation import Evaluation


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model file")],
    data: Annotated[
        list[Path], typer.Argument(help="Labelled frames (.h5 or extended XYZ); several stand side by side")
    ],
    committee: Annotated[
        list[Path], typer.Option(help="Another model of a committee, to compare its spread with its error; repeat")
    ] = [],  # noqa: B006 - typer copies it
    training: Annotated[
        Path | None, typer.Option(help="Folder of the training, or its frames: errors against distance from them")
    ] = None,
    by: Annotated[list[str], typer.Option(help="Also errors by `size` (atoms per frame)")] = [],  # noqa: B006
    align_energy: Annotated[
        bool, typer.Option("--align-energy", help="Remove a constant energy per element, found by least squares")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for evaluation.html, evaluation.json and parity arrays")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Errors of a model file on labelled frames: in total, per element, by force and by distance from the training."""
    from lampion.pipeline.evaluate.evaluation import Options, evaluate_sets
    from lampion.training.evaluation.error_tables import GROUPINGS

    unknown = [name for name in by if name not in GROUPINGS]
    if unknown:
        raise typer.BadParameter(f"'{unknown[0]}' is not one of {', '.join(GROUPINGS)}", param_hint="--by")
    found = evaluate_sets(model, data, Options(committee, training, by, align_energy))
    for warning in found.warnings:
        print(f"lampion: warning: {warning}", file=sys.stderr)
    if not as_json:
        _show(found)
    if out:
        page = _write(found, out)
        if not as_json:
            print(page)
    if as_json:
        print(json.dumps(found.content, ensure_ascii=False))


def _write(found: "Evaluation", folder: Path) -> Path:
    """Leave the page and the numbers behind it; returns the page."""
    from lampion.pipeline.evaluate.evaluation import write_parity
    from lampion.pipeline.evaluate.report import set_names, write_evaluation
    from lampion.pipeline.records import write_json

    for name, parity in zip(set_names(found.sets), found.parities, strict=True):
        write_parity(parity, folder / f"parity-{name}.npz")
    write_json(folder / "evaluation.json", found.content)
    write_evaluation(found.sets, found.parities, folder / "evaluation.html", notes=found.warnings)
    return folder / "evaluation.html"


def _show(found: "Evaluation") -> None:
    """The figures most people want, one column per data set."""
    table = Table("")
    for values in found.sets:
        table.add_column(Path(values["data"]["file"]).name, justify="right")
    for label, cells in _rows(found.sets):
        if any(cells):
            table.add_row(label, *cells)
    Console(width=None if sys.stdout.isatty() else 60 + 24 * len(found.sets)).print(table)


def _rows(sets: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    elements = list(dict.fromkeys(name for values in sets for name in values["forces"]["per_element"]))
    paths: list[tuple[str, tuple[str, ...]]] = [
        ("frames", ("n_frames",)),
        ("atoms", ("n_atoms",)),
        ("energy MAE (meV)", ("energy", "mae_meV")),
        ("energy MAE (meV/atom)", ("energy", "mae_meV_per_atom")),
        ("energy RMSE (meV/atom)", ("energy", "rmse_meV_per_atom")),
        ("force MAE (meV/Å)", ("forces", "mae_meV_per_A")),
        ("force RMSE (meV/Å)", ("forces", "rmse_meV_per_A")),
        *((f"force MAE, {name} (meV/Å)", ("forces", "per_element", name, "mae_meV_per_A")) for name in elements),
        ("stress MAE (GPa)", ("stress", "mae_GPa")),
        ("force spread: factor", ("committee", "forces_meV_per_A", "factor")),
        ("force spread: rank correlation", ("committee", "forces_meV_per_A", "correlation")),
        ("force spread: verdict", ("committee", "forces_meV_per_A", "verdict")),
        ("distance from training, median", ("novelty", "median")),
        ("share outside training", ("novelty", "outside")),
    ]
    return [(label, [_cell(values, path) for values in sets]) for label, path in paths]


def _cell(values: dict[str, Any], path: tuple[str, ...]) -> str:
    """The value at a path of nested tables as text; nothing where there is none."""
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    if found is None:
        return ""
    return f"{found:.4g}" if isinstance(found, float) else str(found)
