"""Atoms come and go for a long time, and the memory of `lmp` stays what it was after the first laps."""

import contextlib
import re
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import lj
from layered import Layered
from lj_crystal import working_in
from stock_lmp import command, environment

CAP = 6 * 1024**2  # kB of address space per process: torch itself maps about four million
CUTOFF = 5.0
INPUT = """
units metal
lattice fcc 7.3
region box block 0 {cells} 0 {cells} 0 {cells}
create_box 1 box
create_atoms 1 box
variable atoms equal $(count(all))
mass 1 39.948
pair_style lampion
pair_coeff * * model.pt Ar
velocity all create 120 7 loop geom
timestep 0.002
fix 1 all nvt temp 120 120 0.2
fix 2 all deposit 1000000 1 10 1234 region box near 3.3 attempt 200 units box
fix 3 all evaporate 20 1 box 4321
thermo 1000000
variable lap loop {laps}
label lap
run {steps}
delete_atoms random count $(count(all)-v_atoms) no all NULL ${{lap}}
run {steps}
next lap
jump SELF lap
print "all laps done"
"""


class Fluid(Layered):
    """Argon's Lennard-Jones in layer 0, and as much of a model of three layers as a fluid bears."""

    def __init__(self) -> None:
        super().__init__(n_layers=3)
        self.pairs = lj.argon()
        self.density = lj.LayeredDensity(CUTOFF, 1)

    @torch.jit.export
    def embed(self, types: Tensor) -> Tensor:
        return self.density.embed(types)

    @torch.jit.export
    def layer(
        self, k: int, n_centers: int, types: Tensor, state: Tensor, edge_index: Tensor, edge_vectors: Tensor
    ) -> tuple[Tensor, Tensor]:
        out, energies = self.density.layer(k, n_centers, types, state, edge_index, edge_vectors)
        energies = 0.002 * energies
        if k == 0:
            energies = energies + self.pairs(types, edge_index, edge_vectors)[:n_centers]
        return out, energies


def resident(folder: Path) -> int:
    """kB of physical memory of the `lmp` processes that work in `folder`."""
    total = 0
    for process, name in working_in(folder).items():
        with contextlib.suppress(OSError, IndexError):
            status = Path(f"/proc/{process}/status").read_text() if name == "lmp" else ""
            total += int(status.split("VmRSS:")[1].split()[0]) if status else 0
    return total


def watch(folder: Path, ranks: int, every: float) -> tuple[np.ndarray, str]:
    """Run `lmp` under a cap of its address space; its resident memory over time, kB, and what it printed."""
    capped = ["bash", "-c", f'ulimit -v {CAP}; exec "$@"', "bash", *command(ranks)]
    with (folder / "screen").open("w") as screen:
        process = subprocess.Popen(capped, cwd=folder, env=environment(), stdout=screen, stderr=subprocess.STDOUT)
        found = []
        while process.poll() is None:
            found.append(resident(folder))
            time.sleep(every)
    output = (folder / "screen").read_text()
    assert process.returncode == 0, output[-2000:]
    assert "all laps done" in output
    return np.array(found), output


def assert_flat(found: np.ndarray) -> None:
    """At the end it is what it was after a third of the run, within one per cent and 2 MB."""
    late, early = (found[int(share * len(found)) :][: len(found) // 10 + 1] for share in (0.88, 0.3))
    assert late.max() < 1.01 * early.max() + 2000, f"{early.max()} kB, later {late.max()} kB"


def soak(folder: Path, ranks: int, cells: int, laps: int, steps: int, every: float) -> int:
    """Run it; the atom-steps it made. The number of atoms must stay what it was, by as many that came as that went."""
    lj.write_model(Fluid(), folder / "model.pt", cutoff=CUTOFF, n_layers=3)
    (folder / "in.lmp").write_text(INPUT.format(laps=laps, steps=steps, cells=cells))
    found, output = watch(folder, ranks, every)
    runs = np.array(re.findall(r"Loop time of .* for (\d+) steps with (\d+) atoms", output), dtype=int)
    deleted = np.array(re.findall(r"Deleted (\d+) atoms", output), dtype=int)
    assert len(runs) == 2 * laps
    assert len(deleted) == laps
    net = steps // 20  # of `fix deposit` and `fix evaporate`, in each run
    assert deleted.sum() >= 0.9 * (2 * laps - 1) * net
    assert (np.abs(runs[:, 1] - 4 * cells**3) <= 2 * net + 1).all()
    assert_flat(found)
    return int(runs.prod(1).sum())


@pytest.mark.parametrize("ranks", [1, 2])
def test_memory_stays_flat(tmp_path: Path, ranks: int) -> None:
    soak(tmp_path, ranks, cells=3, laps=40, steps=20, every=0.02)


def test_a_leak_of_four_kilobytes_a_step_is_noticed() -> None:
    steps = np.linspace(0, 2 * 60 * 20, 80)
    assert_flat(150_000 + 0.5 * steps)
    with pytest.raises(AssertionError, match=r"15\d{4}\.\d+ kB, later 15\d{4}\.\d+ kB"):
        assert_flat(150_000 + 4 * steps)


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2])
def test_memory_stays_flat_for_200_million_atom_steps(tmp_path: Path, ranks: int) -> None:
    """A million in each lap, ten minutes at 350,000 per second and core: `pytest -m slow tests/lammps/test_soak.py`."""
    assert soak(tmp_path, ranks, cells=10, laps=200, steps=125, every=2.0) >= 200_000_000
