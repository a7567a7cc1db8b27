"""What do two MPI ranks gain, and what does the pair style itself cost beside the model? Three layers, two ranks."""

from dataclasses import asdict
from functools import partial

from matplotlib.figure import Figure

from benchmarks.drawing import curves
from benchmarks.lmp import Run, crystal, learned_pair, run_lmp
from benchmarks.machine import cores_are_free
from benchmarks.models import LJ_CUT, carrier, nothing, random_network, random_script
from benchmarks.workshop import Record, Workshop, in_turns
from lampion.training.config.model import ModelConfig

TITLE = "Ranks"
#: Three layers exchange states twice forward and twice in reverse.
NETWORK = ModelConfig(cutoff=6.0, layers=3)
NATIVE, NOTHING, CARRIER = "lj/cut", "nothing", "carrier"
FORMS = ("model.pt", "model.pt2")


def prepare(shop: Workshop) -> None:
    """Compile and write the models."""
    _pairs(shop)


def _pairs(shop: Workshop) -> dict[str, str]:
    """Native Lennard-Jones, the two forms of the network, and the models that lack a part of its work."""
    return {
        NATIVE: LJ_CUT,
        "model.pt": learned_pair(random_script(shop, NETWORK)),
        "model.pt2": learned_pair(random_network(shop, NETWORK)),
        NOTHING: learned_pair(nothing(shop, NETWORK.cutoff)),
        CARRIER: learned_pair(carrier(shop, NETWORK)),
    }


def measure(shop: Workshop) -> Record:
    """All on one and two ranks, in turns; of each the run that was disturbed least.

    Two ranks that share the cores with other work wait for each other: they are left out then.
    """
    sizes = (256,) if shop.quick else (500, 4000, 32000)
    all_ranks = (1, 2) if shop.quick or cores_are_free() else (1,)
    jobs = {
        (atoms, ranks, name): partial(run_lmp, crystal(atoms, pair), shop.seconds, ranks=ranks)
        for atoms in sizes
        for ranks in all_ranks
        for name, pair in _pairs(shop).items()
    }
    found = in_turns({str(key): job for key, job in jobs.items()}, shop.rounds)
    best = {key: min(runs, key=lambda run: run.loop) for key, runs in zip(jobs, found.values(), strict=True)}
    return {"rows": [_row(best, atoms, ranks, name) for atoms, ranks, name in jobs if name in (NATIVE, *FORMS)]}


def _row(best: dict[tuple[int, int, str], Run], atoms: int, ranks: int, name: str) -> Record:
    run = best[atoms, ranks, name]
    speed = atoms / run.loop
    row = {"name": name, "speed": speed, "efficiency": speed * best[atoms, 1, name].loop / atoms / ranks}
    row |= asdict(run) | {"ranks": ranks}
    return row | (_shares(run, best[atoms, ranks, NOTHING], best[atoms, ranks, CARRIER]) if name in FORMS else {})


def _shares(run: Run, nothing: Run, carrier: Run) -> Record:
    """Of the pair time: graph and scatter, exchange of states; of the whole step: LAMMPS's own communication."""
    exchange = max(carrier.pair - nothing.pair, 0.0)
    return {
        "graph": nothing.pair / run.pair,
        "exchange": exchange / run.pair,
        "model": 1 - (nothing.pair + exchange) / run.pair,
        "communication": run.comm / run.loop,
    }


def table(record: Record) -> list[str]:
    """One row per size, ranks and potential."""
    lines = ["| atoms | ranks | potential | 1,000 atom-steps/s | efficiency | ghosts per rank | model | graph, scatter "
             "| exchange | communication |", "|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    for row in record["rows"]:
        shares = [f"{row[key]:.1%}" if key in row else "" for key in ("model", "graph", "exchange", "communication")]
        efficiency = f"{row['efficiency']:.0%}" if row["ranks"] > 1 else ""
        cells = [f"{row['atoms']:,}", str(row["ranks"]), row["name"], f"{row['speed'] / 1e3:.4g}", efficiency,
                 f"{row['ghosts']:,.0f}", *shares]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def figure(record: Record) -> Figure:
    """Efficiency of two ranks against the number of atoms; of one, 100 %, where no more were measured."""
    lines = {}
    most = max(row["ranks"] for row in record["rows"])
    for name in (NATIVE, *FORMS):
        rows = [row for row in record["rows"] if row["name"] == name and row["ranks"] == most]
        lines[name] = ([row["atoms"] for row in rows], [100 * row["efficiency"] for row in rows])
    return curves(lines, "atoms", "efficiency of two ranks, %", y_from_zero=True)
