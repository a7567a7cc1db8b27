"""Atoms come and go for a long time, and the memory of `lmp` stays what it was after the first laps."""

import contextlib
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import lj
from lj_crystal import working_in
from stock_lmp import command, environment

CAP = 6 * 1024**2  # kB of address space per process: torch itself maps about four million
INPUT = """
units metal
boundary p p f
lattice fcc 5.4
region box block 0 {cells} 0 {cells} 0 $({cells}+3)
create_box 1 box
region low block INF INF INF INF INF $({cells}-0.1)
region top block 0 {cells} 0 {cells} $({cells}+1) $({cells}+3)
create_atoms 1 region low
mass 1 39.948
pair_style lampion
pair_coeff * * model.pt Ar
velocity all create 60 7 loop geom
timestep 0.002
fix 1 all nvt temp 60 60 0.2
fix 2 all wall/reflect zlo EDGE zhi EDGE
fix 3 all deposit 1000000 1 10 1234 region top near 3.0 vz -2 -2
fix 4 all evaporate 20 1 low 4321
thermo 1000000
variable lap loop {laps}
label lap
run {steps}
delete_atoms random count $({steps}/10) no all NULL ${{lap}}
run {steps}
next lap
jump SELF lap
print "all laps done"
"""


def resident(folder: Path) -> int:
    """kB of physical memory of the `lmp` processes that work in `folder`."""
    total = 0
    for process, name in working_in(folder).items():
        with contextlib.suppress(OSError, IndexError):
            status = Path(f"/proc/{process}/status").read_text() if name == "lmp" else ""
            total += int(status.split("VmRSS:")[1].split()[0]) if status else 0
    return total


def watch(folder: Path, ranks: int, every: float) -> np.ndarray:
    """Run `lmp` under a cap of its address space; its resident memory over time, kB."""
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
    return np.array(found)


def assert_flat(found: np.ndarray) -> None:
    """At the end it is what it was after a third of the run, within one per cent and 2 MB."""
    late, early = (found[int(share * len(found)) :][: len(found) // 10 + 1] for share in (0.88, 0.3))
    assert late.max() < 1.01 * early.max() + 2000, f"{early.max()} kB, later {late.max()} kB"


def soak(folder: Path, ranks: int, cells: int, laps: int, steps: int, every: float) -> None:
    lj.write_model(lj.LayeredDensity(5.0, 1), folder / "model.pt", cutoff=5.0, n_layers=3)
    (folder / "in.lmp").write_text(INPUT.format(laps=laps, steps=steps, cells=cells))
    assert_flat(watch(folder, ranks, every))


@pytest.mark.parametrize("ranks", [1, 2])
def test_memory_stays_flat(tmp_path: Path, ranks: int) -> None:
    soak(tmp_path, ranks, cells=3, laps=60, steps=20, every=0.02)


def test_a_leak_of_four_kilobytes_a_step_is_noticed() -> None:
    steps = np.linspace(0, 2 * 60 * 20, 80)
    assert_flat(150_000 + 0.5 * steps)
    with pytest.raises(AssertionError, match=r"15\d{4}\.\d+ kB, later 15\d{4}\.\d+ kB"):
        assert_flat(150_000 + 4 * steps)


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2])
def test_memory_stays_flat_for_200_million_atom_steps(tmp_path: Path, ranks: int) -> None:
    """A million in each lap, half an hour in all: `pytest -m slow tests/lammps/test_soak.py`."""
    soak(tmp_path, ranks, cells=10, laps=200, steps=130, every=5.0)
