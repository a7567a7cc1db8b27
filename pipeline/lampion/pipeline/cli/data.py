"""`lampion data`: convert, check, split and describe labelled frames."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lampion.pipeline.cli.options import AsJson, Force, keep
from lampion.pipeline.cli.read_arguments import reads_labels
from lampion.training.labels.read_options import ReadOptions

if TYPE_CHECKING:
    from lampion.training.checks.findings import Report
    from lampion.training.checks.summary import Summary

app = typer.Typer(no_args_is_help=True, help="Labelled frames: convert, check, split, info.")

Source = Annotated[
    Path,
    typer.Argument(help="LAMMPS dump, extended XYZ (also .gz, .xz), npz like MD17's, ASE data base, or .h5"),
]
ZScore = Annotated[float, typer.Option(help="Robust z-score beyond which an energy or force is reported.", min=0.0)]
Index = Annotated[Path | None, typer.Option(help="File of row numbers, one per line, from 0.")]
Size = Annotated[str | None, typer.Option(help="Share (0.1) or number (50) of frames.")]


@app.command()
@reads_labels
def convert(
    source: Source,
    options: ReadOptions,
    out: Annotated[Path, typer.Option("-o", "--out", help=".h5 (working format) or .extxyz")] = Path("frames.h5"),
    isolated_atoms: Annotated[Path | None, typer.Option(help="One-atom frames to keep the energies of.")] = None,
    force: Force = False,
) -> None:
    """Read, validate and write frames in Å, eV, eV/Å."""
    from lampion.training.preparation import convert as converting

    keep(out, force)
    report = converting.convert(source, out, options, isolated_atoms)
    show(report.summary)
    _show_findings(report, ("warning",))
    print(out)


@app.command()
@reads_labels
def check(source: Source, options: ReadOptions, z_score: ZScore = 10.0, as_json: AsJson = False) -> None:
    """Read and examine frames, write nothing; ends with exit code 3 if they cannot be trained on."""
    from lampion.training.checks.findings import examine
    from lampion.training.labels.sources import read_frames

    report = examine(read_frames(source, options), z_score=z_score)
    if as_json:
        print(json.dumps(asdict(report), ensure_ascii=False))
    else:
        show(report.summary)
        _show_findings(report, ("ok", "warning", "refused", "-"))
    if report.refusals:
        raise typer.Exit(3)
    if not as_json:
        warnings = sum(finding.verdict == "warning" for finding in report.findings)
        print(f"{warnings} warnings" if warnings else "no problem found")


@app.command()
@reads_labels
def split(
    source: Source,
    options: ReadOptions,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of train.h5, valid.h5, test.h5, split.json.")] = Path(
        "split"
    ),
    train: Size = None,
    valid: Size = None,
    test: Size = None,
    seed: Annotated[int, typer.Option(help="Seed of what is drawn at random.")] = 1,
    train_index: Index = None,
    valid_index: Index = None,
    test_index: Index = None,
    isolated_atoms: Annotated[Path | None, typer.Option(help="One-atom frames to keep the energies of.")] = None,
    force: Force = False,
) -> None:
    """Divide frames at random by a seed, or by files of row numbers; `lampion train` takes the folder."""
    from lampion.training.preparation import split as splitting

    keep(out / "split.json", force)
    sizes = {name: _size(name, text) for name, text in (("train", train), ("valid", valid), ("test", test))}
    given = {"train": train_index, "valid": valid_index, "test": test_index}
    index = {name: path for name, path in given.items() if path}
    parts = splitting.split_file(source, out, options, sizes, index, seed, isolated_atoms)
    for name, rows in parts.items():
        print(f"{name:6s} {len(rows)} frames")
    print(out / "split.json")


@app.command()
@reads_labels
def info(source: Source, options: ReadOptions, as_json: AsJson = False) -> None:
    """Counts, ranges and shortest distances of a set of frames."""
    from lampion.training.checks.summary import summarize
    from lampion.training.labels.sources import read_frames

    summary = summarize(read_frames(source, options))
    if as_json:
        print(json.dumps(asdict(summary), ensure_ascii=False))
    else:
        show(summary)


def show(summary: "Summary") -> None:
    """Print the figures of a data set."""
    elements = ", ".join(f"{count} {name}" for name, count in summary.elements.items())
    optional = [n for n, there in (("stress", summary.has_stress), ("velocities", summary.has_velocities)) if there]
    print(
        f"frames        {summary.n_frames} ({summary.n_atoms} atoms: {elements}); {', '.join(optional) or 'no stress'}"
    )
    print(f"energy        {summary.energy_mean:.6f} eV/atom, spread {1e3 * summary.energy_std:.3f} meV/atom")
    print(f"forces        rms {1e3 * summary.force_rms:.2f} meV/Å, largest {1e3 * summary.force_max:.1f} meV/Å")
    print(f"net force     {1e3 * summary.net_force_max:.2g} meV/Å per atom at most")
    print("shortest      " + ", ".join(f"{pair} {distance:.3f} Å" for pair, distance in summary.shortest.items()))
    if summary.duplicates:
        print(f"duplicates    {summary.duplicates} frames repeat an earlier one")


def _show_findings(report: "Report", verdicts: tuple[str, ...]) -> None:
    for finding in report.findings:
        if finding.verdict in verdicts:
            print(f"{finding.verdict:8s} {finding.what:17s} {finding.text}")


def _size(name: str, text: str | None) -> int | float | None:
    """A number of frames or a share of them."""
    if text is None:
        return None
    try:
        size = int(text) if text.isdecimal() else float(text)
    except ValueError:
        size = -1.0
    if size <= 0 or (isinstance(size, float) and size >= 1):
        raise typer.BadParameter(f"'{text}' is neither a share between 0 and 1 nor a number", param_hint=f"--{name}")
    return size
