"""`lampion hessian`: runs of LAMMPS's `dynamical_matrix` -> a file of Hessians to train on."""

from pathlib import Path
from typing import Annotated

import typer

from lampion.pipeline.cli.options import Force, keep


def hessian(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders with log.lammps, one dump and hessian.dat", metavar="RUN")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write")] = Path("hessians.npz"),
    force: Force = False,
) -> None:
    """Collect Hessians that LAMMPS has computed, one run for each frame of the same atoms."""
    from lampion.pipeline.work import the_dump
    from lampion.training.labels.hessian_labels import join_hessians, write_hessians
    from lampion.training.labels.lammps_hessian import read_lammps_hessian

    keep(out, force)
    parts = [read_lammps_hessian(the_dump(run), run / "log.lammps", run / "hessian.dat") for run in runs]
    joined = join_hessians(parts)
    write_hessians(joined, out)
    print(f"{len(joined.positions)} Hessians of {len(joined.numbers)} atoms")
    print(out)
