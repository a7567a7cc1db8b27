"""Does the cost per atom stay the same from a hundred atoms to 32,000, and what memory does an atom take?"""

from functools import partial

import numpy as np
from matplotlib.figure import Figure

from benchmarks.drawing import curves
from benchmarks.lmp import CELLS, Run, crystal, learned_pair, run_lmp
from benchmarks.models import LJ_CUT, NETWORK, random_network
from benchmarks.workshop import Record, Workshop, in_turns, middle

TITLE = "Number of atoms, and memory"
LARGE = 2000  # atoms from which on the exponent is fitted


def prepare(shop: Workshop) -> None:
    """Compile."""
    random_network(shop, NETWORK)


def measure(shop: Workshop) -> Record:
    """Speed and memory at every size, of the compiled network and of native Lennard-Jones at the ends."""
    sizes = [108, 256, 500] if shop.quick else [size for size in CELLS if size != 1000]
    pair = learned_pair(random_network(shop, NETWORK))

    def run(atoms: int, pair: str) -> Run:
        return run_lmp(crystal(atoms, pair), shop.seconds)

    jobs = {("model.pt2", atoms): partial(run, atoms, pair) for atoms in sizes}
    jobs |= {("lj/cut", atoms): partial(run, atoms, LJ_CUT) for atoms in sizes[-2:]}
    found = in_turns({str(key): job for key, job in jobs.items()}, shop.rounds)
    rows = [
        {"name": name, "atoms": atoms, "memory": max(run.memory for run in runs), **middle([run.speed for run in runs])}
        for (name, atoms), runs in zip(jobs, found.values(), strict=True)
    ]
    return {"rows": rows}


def _rows(rows: list[Record], name: str) -> list[Record]:
    """Of one potential, the large systems; all if there are not enough."""
    mine = [row for row in rows if row["name"] == name]
    large = [row for row in mine if row["atoms"] >= LARGE]
    return large if len(large) > 1 else mine


def exponent(rows: list[Record]) -> tuple[float, float]:
    """p of the time of a step t = c N^p, by least squares of the logarithms, and its standard error."""
    large = _rows(rows, "model.pt2")
    atoms, times = np.array([(row["atoms"], row["atoms"] / row["speed"]) for row in large]).T
    slope, covariance = np.polyfit(np.log(atoms), np.log(times), 1, cov=True)
    return float(slope[0]), float(covariance[0, 0] ** 0.5)


def memory_per_atom(rows: list[Record]) -> dict[str, float]:
    """Growth of resident memory with the number of atoms, bytes, from the smallest to the largest large system."""
    ends = {name: (_rows(rows, name)[0], _rows(rows, name)[-1]) for name in ("model.pt2", "lj/cut")}
    return {
        name: (last["memory"] - first["memory"]) / (last["atoms"] - first["atoms"])
        for name, (first, last) in ends.items()
    }


def table(record: Record) -> list[str]:
    """One row a size."""
    lines = ["| atoms | potential | 1,000 atom-steps/s | µs per atom and step | resident, MiB |",
             "|---:|---|---:|---:|---:|"]  # fmt: skip
    for row in record["rows"]:
        lines.append(
            f"| {row['atoms']:,} | {row['name']} | {row['speed'] / 1e3:.4g} | {1e6 / row['speed']:.3g} "
            f"| {row['memory'] / 2**20:.0f} |"
        )
    growth = ", ".join(f"{name} {value / 1024:.2f} KiB" for name, value in memory_per_atom(record["rows"]).items())
    power, error = exponent(record["rows"])
    return [*lines, "", f"Time of a step grows as N^p from {LARGE:,} atoms on, p = {power:.3f} ± {error:.3f}. "
            f"Resident memory per further atom: {growth}."]  # fmt: skip


def figure(record: Record) -> Figure:
    """Cost per atom against the number of atoms."""
    rows = [row for row in record["rows"] if row["name"] == "model.pt2"]
    line = ([row["atoms"] for row in rows], [1e6 / row["speed"] for row in rows])
    return curves({"model.pt2": line}, "atoms", "µs per atom and step", y_from_zero=True)
