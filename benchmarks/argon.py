"""How fast is a learned potential beside native Lennard-Jones and mace-torch? An argon crystal of 4,000 atoms."""

from functools import partial
from pathlib import Path

from ase.build import bulk
from matplotlib.figure import Figure

from benchmarks import models
from benchmarks.ase_md import mace_speed
from benchmarks.drawing import bars
from benchmarks.lmp import CELLS, crystal, learned_pair, run_lmp
from benchmarks.machine import cores_are_free
from benchmarks.workshop import Record, Workshop, in_turns, middle

TITLE = "Argon: from native Lennard-Jones to mace-torch"
#: mace-torch takes seconds for a step of 4,000 atoms, so it is given fewer; its speed is counted per atom.
MACE_ATOMS = 256


def prepare(shop: Workshop) -> None:
    """Export and compile."""
    _pairs(shop)
    _mace(shop)


def measure(shop: Workshop) -> Record:
    """Atom-steps/s of every potential, in turns; on two ranks or threads, too, if the cores are free for them."""
    parallel = cores_are_free() or shop.quick
    size = 500 if shop.quick else 4000
    mace, exported = _mace(shop)
    few = 108 if shop.quick else MACE_ATOMS

    def run(pair: str, atoms: int = size, ranks: int = 1, threads: int = 1) -> float:
        return run_lmp(crystal(atoms, pair), shop.seconds, ranks=ranks, threads=threads).speed

    jobs = {
        (name, ranks, threads, size): partial(run, pair, ranks=ranks, threads=threads)
        for name, pair in _pairs(shop).items()
        for ranks, threads in ((1, 1), (2, 1), *([(1, 2)] if name == "learned, model.pt2" else []))
        if parallel or ranks * threads == 1
    }
    jobs |= {("mace-torch, model.pt", 1, 1, few): partial(run, learned_pair(exported), few)}
    jobs |= {("mace-torch, ASE", 1, 1, few): partial(_ase, mace, few, shop.seconds)}
    found = in_turns({f"{key[0]}, {key[1]} x {key[2]}": job for key, job in jobs.items()}, shop.rounds)
    rows = [
        {"name": name, "ranks": ranks, "threads": threads, "atoms": atoms, **middle(speeds)}
        for (name, ranks, threads, atoms), speeds in zip(jobs, found.values(), strict=True)
    ]
    return {"rows": rows, "parallel": parallel}


def _pairs(shop: Workshop) -> dict[str, str]:
    return {
        "lj/cut": models.LJ_CUT,
        "lj as a model": learned_pair(models.lennard_jones(shop)),
        "learned, model.pt": learned_pair(models.random_script(shop, models.NETWORK)),
        "learned, model.pt2": learned_pair(models.random_network(shop, models.NETWORK)),
    }


def _mace(shop: Workshop) -> tuple[Path, Path]:
    """mace-torch's own file, and the same as a model file."""
    mace = models.random_mace(shop, ["Ar"])
    return mace, models.exported_mace(shop, mace)


def _ase(mace: Path, atoms: int, seconds: float) -> float:
    system = bulk("Ar", "fcc", a=5.4, cubic=True) * CELLS[atoms]
    system.rattle(0.1, seed=1)
    return len(system) * mace_speed(system, mace, 40.0, seconds, warmup=3)


def table(record: Record) -> list[str]:
    """One row a potential; the columns compare with native Lennard-Jones, with mace-torch in ASE, and with one core."""
    speeds = {(row["name"], row["ranks"], row["threads"]): row["speed"] for row in record["rows"]}
    native, mace = speeds["lj/cut", 1, 1], speeds["mace-torch, ASE", 1, 1]
    lines = ["| potential | ranks x threads | atoms | 1,000 atom-steps/s | lowest to highest | lj/cut, times "
             "| of mace-torch in ASE | of one core |", "|---|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    for row in record["rows"]:
        speed, parallel = row["speed"], row["ranks"] * row["threads"] > 1
        single = [f"{native / speed:.3g}", f"{speed / mace:.3g}", ""]
        compared = ["", "", f"{speed / speeds[row['name'], 1, 1]:.2f}"] if parallel else single
        lowest, highest = (f"{extreme(row['speeds']) / 1e3:.4g}" for extreme in (min, max))
        cells = [row["name"], f"{row['ranks']} x {row['threads']}", f"{row['atoms']:,}", f"{speed / 1e3:.4g}",
                 f"{lowest} to {highest}", *compared]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    missing = ["", "Ranks and threads were not measured: other work used the cores."]
    return lines if record["parallel"] else lines + missing


def figure(record: Record) -> Figure:
    """Speeds as bars, logarithmic."""
    rows = {f"{row['name']}, {row['ranks']} x {row['threads']}": row["speed"] for row in record["rows"]}
    return bars(rows, "atom-steps/s")
