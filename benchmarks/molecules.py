"""How many steps of a molecule per second, alone and with up to a thousand replicas in one `lmp`?"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from matplotlib.figure import Figure

from benchmarks import models
from benchmarks.ase_md import mace_speed
from benchmarks.drawing import curves
from benchmarks.lmp import run_lmp
from benchmarks.workshop import Record, Workshop, in_turns, middle
from lampion.deploy.modelfile import read_manifest
from lampion.pipeline.stability.layout import set_in_motion, write_start

TITLE = "A molecule and its replicas"
INPUT = """
units metal
atom_style molecular
read_data "{data}"
pair_style lampion
pair_coeff * * "{model}" {names}
neighbor 1.0 bin
neigh_modify every 1 delay 0 check yes exclude molecule/inter all
timestep 0.001
fix 1 all nve
thermo 1000000
"""
COUNTS = (1, 10, 100, 1000)


def missing(shop: Workshop) -> str:
    """What the user has to give before this question can be answered."""
    return "" if shop.checkpoint and shop.frames and shop.molecule else "needs --checkpoint, --molecule and --frames"


def _molecule(shop: Workshop) -> Atoms:
    assert shop.molecule
    molecule = ase.io.read(shop.molecule, 0)
    assert isinstance(molecule, Atoms)
    return molecule


def prepare(shop: Workshop) -> None:
    """Export, compile, and find the errors."""
    _models(shop)
    _mace(shop)
    _errors(shop)


def _models(shop: Workshop) -> dict[str, Path]:
    assert shop.checkpoint
    return {f"model.{suffix}": models.exported(shop, shop.checkpoint, suffix) for suffix in ("pt", "pt2")}


def _mace(shop: Workshop) -> Path:
    return models.random_mace(shop, sorted(set(_molecule(shop).symbols)), models.MACE_OF_MOLECULES)


def _errors(shop: Workshop) -> dict[str, float]:
    assert shop.frames
    return models.errors(shop, _models(shop)["model.pt"], shop.frames / "test.h5")


def measure(shop: Workshop) -> Record:
    """Replica-steps/s on one core, in turns."""
    molecule, counts = _molecule(shop), COUNTS[:2] if shop.quick else COUNTS
    jobs: dict[tuple[str, int], Any] = {
        (name, count): partial(replica_steps, molecule, model, count, shop)
        for count in counts
        for name, model in _models(shop).items()
    }
    jobs["mace-torch, ASE", 1] = partial(mace_speed, molecule, _mace(shop), 300.0, shop.seconds, warmup=20)
    found = in_turns({str(key): job for key, job in jobs.items()}, shop.rounds)
    rows = [
        {"name": name, "replicas": count, **middle(speeds)}
        for (name, count), speeds in zip(jobs, found.values(), strict=True)
    ]
    return {"formula": molecule.get_chemical_formula(), "rows": rows, "errors": _errors(shop)}


def replica_steps(molecule: Atoms, model: Path, count: int, shop: Workshop) -> float:
    """Replica-steps/s of so many molecules that do not see each other."""
    with TemporaryDirectory() as name:
        data = Path(name) / "start.data"
        molecules = [molecule.copy() for _ in range(count)]
        set_in_motion(molecules, 300.0, np.random.default_rng(7))
        types = write_start(molecules, data, read_manifest(model))
        text = INPUT.format(data=data, model=model.resolve(), names=types["names"])
        return run_lmp(text, shop.seconds).speed / len(molecule)


def table(record: Record) -> list[str]:
    """One row a model, one column a number of replicas."""
    speeds = {(row["name"], row["replicas"]): row["speed"] for row in record["rows"]}
    names, counts = (list(dict.fromkeys(key[k] for key in speeds)) for k in (0, 1))
    mace = speeds["mace-torch, ASE", 1]
    heads = [f"{count:,}" for count in counts]
    lines = [f"| {record['formula']}, replica-steps/s | {' | '.join(heads)} | of mace-torch in ASE |",
             f"|---|{'---:|' * (len(counts) + 1)}"]  # fmt: skip
    for name in names:
        mine = [speeds.get((name, count)) for count in counts]
        ratios = [speed / mace for speed in mine if speed]
        cells = [f"{speed:,.0f}" if speed else "" for speed in mine]
        lines.append(f"| {name} | {' | '.join(cells)} | {min(ratios):.3g} to {max(ratios):.3g} |")
    errors = record["errors"]
    return [*lines, "", f"Errors of the model on its test frames: {errors['forces_mae']:.2f} meV/Å mean absolute, "
            f"{errors['forces_rmse']:.2f} root mean square. mace-torch has random weights."]  # fmt: skip


def figure(record: Record) -> Figure:
    """Replica-steps/s against the number of replicas."""
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for row in record["rows"]:
        x, y = lines.setdefault(row["name"], ([], []))
        x.append(row["replicas"])
        y.append(row["speed"])
    return curves(lines, "replicas", "replica-steps/s")
