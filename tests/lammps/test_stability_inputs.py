"""The shipped inputs of lammps_inputs/stability, run as they are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import units
from torch import Tensor

from lampion.deploy.modelfile import Manifest, save_model
from lampion.pipeline.lmp.runner import RunResult, run_lammps
from lampion.pipeline.shipped import shipped_path
from replicas import ethanol, failures, rows
from stock_lmp import binary


class Weak(torch.nn.Module):
    """Atoms hardly feel each other."""

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        energy = 1e-3 * torch.square(torch.clamp(4.0 - (edge_vectors**2).sum(1), min=0.0))
        return torch.zeros(types.shape[0], dtype=energy.dtype).index_add(0, edge_index[0], energy)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    ethanol(3, 10.0).write(tmp_path)
    save_model(torch.jit.script(Weak()), Manifest(2.0, ("C", "H", "O"), 1, "float64"), tmp_path / "model.pt")
    return tmp_path


def run(name: str, start: Path, **variables: object) -> RunResult:
    values = {"data": start / "start.data", "model": start / "model.pt"} | variables
    text = {key: str(value) for key, value in values.items()}
    return run_lammps(shipped_path(f"lammps_inputs/stability/{name}"), folder=start / "run", variables=text, force=True)


@pytest.mark.parametrize(("name", "dof"), [("nve.in", 21), ("nvt.in", 27)])
def test_inputs_run_and_resume(start: Path, name: str, dof: int) -> None:
    common = {"record": 10, "save": 20, "keep": 3}
    done = run(name, start, steps=30, **common)
    assert done.ending.kind == "complete", done.ending.reason
    before = (start / "run" / "record.txt").read_text()
    done = run(name, start, steps=60, resume=start / "run" / "run.restart.1", **common)
    assert done.ending.kind == "complete", done.ending.reason
    text = (start / "run" / "record.txt").read_text()
    assert text.startswith(before[: before.index("\n30 ")])
    found = rows(start / "run" / "record.txt")
    lost = failures(start / "run" / "failures.txt")
    assert [(int(row["step"]), int(row["replica"])) for row in found] == [
        (step, replica)
        for step in range(0, 61, 10)
        for replica in (1, 2, 3)
        if replica not in lost or step < lost[replica][1]
    ]
    for row in found:
        assert float(row["temperature"]) == pytest.approx(2 * float(row["ke"]) / dof / units.kB, rel=1e-4)


def test_run_in_which_all_fail_is_told(start: Path) -> None:
    done = run("nve.in", start, steps=1000, limits="temperature 0.1")
    assert "Lampion: all 3 replicas have failed, so the run ends at step 0" in done.log.read_text()
    assert done.ending.kind == "halted"
    assert {entry[2] for entry in failures(start / "run" / "failures.txt").values()} == {"temperature"}


@pytest.mark.slow
@pytest.mark.parametrize("charges", ["yes", "no"])
def test_reference_ethanol_raises_no_alarm(start: Path, charges: str) -> None:
    """Energies of molecules are constant without shared charges only; their sum is in either case."""
    ethanol(20, 300.0).write_real(start)
    ffield = binary().parent / "share" / "lammps" / "potentials" / "ffield.reax.cho"
    done = run("reference.in", start, steps=8000, charges=charges, ffield=ffield)
    assert done.ending.kind == "complete", done.ending.reason
    assert failures(start / "run" / "failures.txt") == {}
    assert ("replicas, which feel each other through them" in done.log.read_text()) is (charges == "yes")
    found = rows(start / "run" / "record.txt")
    assert len(found) == 20 * 101
    energy = np.array([float(row["pe"]) + float(row["ke"]) for row in found]).reshape(101, 20)
    assert bool(np.ptp(energy, axis=0).max() < 1.0) is (charges == "no")  # kcal/mol
    assert np.ptp(energy.sum(axis=1)) / 20 < 0.1
    assert np.mean([float(row["temperature"]) for row in found]) > 100
