"""`lampion export`, `check` and `info`: model files."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from lampion.deploy.modelfile import COMPILED
from lampion.pipeline.cli.options import AsJson, Force, keep


def export(
    checkpoint: Annotated[
        Path, typer.Argument(help="Checkpoint (train/best.ckpt), .model of mace-torch, npz of sGDML")
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Model file; default: model.pt or model.pt2")] = None,
    form: Annotated[
        Literal["torchscript", "pt2"] | None,
        typer.Option(
            "--format",
            help="torchscript (runs anywhere) or pt2 (compiled for this machine, several times faster); default: by the"
            " suffix of --out",
        ),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Load a model of mace-torch, a pickle, which can run any code.")
    ] = False,
    head: Annotated[str | None, typer.Option(help="Readout of a mace-torch model that has several")] = None,
    force: Force = False,
) -> None:
    """Verify a trained model and write the file that `pair_style lampion` reads."""
    from lampion.deploy.export import export_model

    out = _model_file(out, form)
    keep(out, force)
    checks = export_model(checkpoint, out, trust=trust, head=head)
    worst = max(checks, key=lambda check: check.difference / check.tolerance)
    print(f"{len(checks)} checks passed; closest to its limit: {worst.name}, {worst.difference:.1e}")
    if out.suffix != COMPILED and shutil.which("g++"):
        print("compiled for this machine it is several times faster in lmp: --format pt2")
    print(out)


def _model_file(out: Path | None, form: str | None) -> Path:
    """Name of the model file, whose suffix is that of its format."""
    if out is None:
        return Path("model").with_suffix(COMPILED if form == "pt2" else ".pt")
    if form is not None and (out.suffix == COMPILED) != (form == "pt2"):
        raise typer.BadParameter(
            f"{out}: names of compiled model files, and of no others, end in {COMPILED}; or leave out --format"
        )
    return out


def check(
    model: Annotated[Path, typer.Argument(help="Model file")],
    as_json: AsJson = False,
) -> None:
    """Self-test of a model file in lmp: derivatives, invariances, ranks, images, energy conservation."""
    from lampion.pipeline.check import laws

    rows = laws.check_model(model)
    if as_json:
        print(json.dumps(laws.as_json(model, rows)))
    else:
        for row in rows:
            print(f"{'ok  ' if row.passed else 'FAIL'} {row.name:34s} {row.figure:9.1e}  allowed {row.tolerance:.0e}")
    if not all(row.passed for row in rows):
        raise typer.Exit(4)


def info(
    model: Annotated[Path, typer.Argument(help="Model file")],
    as_json: AsJson = False,
) -> None:
    """What a model file says of itself; nothing in it is executed."""
    from lampion.deploy.modelfile import read_manifest

    manifest = asdict(read_manifest(model))
    if as_json:
        print(json.dumps(manifest, ensure_ascii=False))
        return
    for key, value in manifest.items():
        if key != "references":
            print(f"{key:12s} {value}")
    print("references", *manifest["references"], sep="\n  ")
