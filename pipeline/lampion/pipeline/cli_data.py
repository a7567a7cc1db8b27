"""`lampion data`: check, convert and describe labelled frames."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lampion.training.frames import Frames
    from lampion.training.summary import Summary

app = typer.Typer(no_args_is_help=True, help="Labelled frames: check, convert, info.")

Source = Annotated[Path, typer.Argument(help="LAMMPS dump (.dump, .gz), .h5, or extended XYZ with REF_ keys")]
Log = Annotated[Path | None, typer.Option(help="Log of the run that wrote the dump; default: log.lammps beside it")]
Types = Annotated[str | None, typer.Option(help="Elements of types 1, 2, ... if the dump has no element column")]
Units = Annotated[str | None, typer.Option(help="LAMMPS units of the dump, if the log does not echo them")]


@app.command()
def convert(
    source: Source,
    out: Annotated[Path, typer.Option("-o", "--out", help=".h5 (working format) or .extxyz")] = Path("frames.h5"),
    log: Log = None,
    types: Types = None,
    units: Units = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Read, validate and write frames in Å, eV, eV/Å."""
    from lampion.pipeline.work import write_checked

    if out.exists() and not force:
        raise typer.BadParameter(f"{out} exists; overwrite it with --force", param_hint="--out")
    show(write_checked(_read(source, log, types, units), out, str(source)))
    print(out)


@app.command()
def check(source: Source, log: Log = None, types: Types = None, units: Units = None) -> None:
    """Read and validate frames, write nothing."""
    from lampion.training.summary import require_sane

    show(require_sane(_read(source, log, types, units), str(source)))
    print("no problem found")


@app.command()
def info(
    source: Source,
    log: Log = None,
    types: Types = None,
    units: Units = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Counts, ranges and shortest distances of a set of frames."""
    from lampion.training.summary import summarize

    summary = summarize(_read(source, log, types, units))
    if as_json:
        print(json.dumps(asdict(summary)))
    else:
        show(summary)


def _read(source: Path, log: Path | None, types: str | None, units: str | None) -> "Frames":
    from lampion.training.data import read_frames
    from lampion.training.lammps_labels import read_lammps

    if source.suffix in (".h5", ".hdf5", ".xyz", ".extxyz"):
        return read_frames(source)
    return read_lammps(
        source, log or source.parent / "log.lammps", type_names=types.split() if types else None, units=units
    )


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
