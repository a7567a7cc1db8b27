"""The shipped committee.in with two trained potentials: it heats argon, stops itself, and keeps its last frames."""

import re
from pathlib import Path

import numpy as np
import pytest

import argon
from lampion.deploy.export import export_checkpoint
from lampion.pipeline.lmp.runner import RunResult, run_lammps
from lampion.pipeline.shipped import shipped_path
from lampion.training.config.training import load_config
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.loop.train import Training
from stock_lmp import crystal

KEEP, CHECK, STEPS = 5, 10, 400


@pytest.fixture(scope="module")
def committee(tmp_path_factory) -> Path:
    """A folder with two potentials that differ by the seed of their training, and a crystal to start from."""
    folder = tmp_path_factory.mktemp("committee")
    write_hdf5(argon.crystal_frames(20), folder / "frames.h5")
    for seed in (1, 2):
        config = argon.write_config(folder, seed=str(seed))
        best = Training(load_config(config), folder / str(seed)).run(restart=False)
        export_checkpoint(best, folder / f"{seed}.pt")
    crystal(2).write(folder, 1.0)
    velocities = np.random.default_rng(1).normal(0.0, 1.37e-3, (32, 3))  # Å/fs, 90 K
    with (folder / "atoms.data").open("a") as data:
        data.write("\nVelocities\n\n" + "".join(f"{k} {x} {y} {z}\n" for k, (x, y, z) in enumerate(velocities, 1)))
    return folder


def heat(committee: Path, folder: Path, limit: float) -> RunResult:
    variables = {"start": committee / "atoms.data", "model": committee / "1.pt", "others": committee / "2.pt"}
    numbers = {"limit": limit, "hot": 1500.0, "steps": STEPS, "check": CHECK, "keep": KEEP}
    values = {name: str(value) for name, value in (variables | numbers).items()}
    return run_lammps(shipped_path("lammps_inputs/argon/committee.in"), folder=folder, variables=values)


def deviations(run: RunResult) -> dict[int, float]:
    """The largest force deviation at each step of the log."""
    lines = (line.split() for line in run.log.read_text().splitlines())
    return {int(words[0]): float(words[7]) for words in lines if len(words) == 10 and words[0].isdigit()}


def test_run_stops_itself_and_keeps_the_last_frames(committee, tmp_path):
    free = heat(committee, tmp_path / "free", 1e9)
    assert free.ending.kind == "complete", free.ending.reason
    assert "The committee agreed to the end" in free.log.read_text()
    seen = deviations(free)
    assert list(seen) == list(range(0, STEPS + 1, CHECK))
    limit = (max(seen[step] for step in list(seen)[:10]) + max(seen.values())) / 2
    stop = next(step for step, value in seen.items() if value > limit)

    stopped = heat(committee, tmp_path / "stopped", limit)
    assert stopped.ending.kind == "halted"
    assert stopped.ending.last_step == stop > 10 * CHECK
    assert re.search(r"The committee disagrees by \S+ kcal/mol/Angstrom at \S+ K, step", stopped.log.read_text())
    assert (stopped.folder / "stopped.data").exists()

    frames = sorted(stopped.folder.glob("last.*.lammpstrj"))
    assert [int(path.name.split(".")[1]) for path in frames] == [stop - CHECK * k for k in reversed(range(KEEP))]
    largest = [np.loadtxt(path, skiprows=9, usecols=15).max() for path in frames]
    np.testing.assert_allclose(largest, [seen[stop - CHECK * k] for k in reversed(range(KEEP))], rtol=1e-6)
    assert max(largest[:-1]) <= limit < largest[-1]
