"""A trained network of ethanol: its compiled form runs the dynamics that its TorchScript form runs."""

from pathlib import Path

import ase.units
import numpy as np
import pytest

from lampion.deploy.export import export_checkpoint
from lampion.pipeline.stability.layout import set_in_motion
from lampion.pipeline.stability.relaxation import relax
from replicas import ETHANOL, INVISIBLE, Replicas

CHECKPOINT = Path(__file__).parent.parent / "data" / "ethanol.ckpt"
INPUT = f"""
units metal
atom_style molecular
read_data start.data
pair_style lampion
pair_coeff * * MODEL C H O
{INVISIBLE}
neighbor 1.0 bin
neigh_modify every 1 delay 0 check yes
timestep STEP
fix 1 all nve
thermo_style custom step pe etotal
thermo_modify norm no format float %.17g
thermo 1
dump 1 all custom 50 dump id type x y z fx fy fz
dump_modify 1 sort id format float %.17g
run COUNT
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both forms of the model, and twenty molecules set in motion."""
    folder = tmp_path_factory.mktemp("ethanol")
    for name in ("model.pt", "model.pt2"):
        export_checkpoint(CHECKPOINT, folder / name)
    (still,) = relax([ETHANOL], folder / "model.pt", fmax=0.05, steps=100).molecules
    moving = [still.copy() for _ in range(20)]
    set_in_motion(moving, 300.0, np.random.default_rng(1))
    velocities = [atoms.get_velocities() * 1000 * ase.units.fs for atoms in moving]
    Replicas(ETHANOL.get_chemical_symbols(), np.array([a.positions for a in moving]) + 30, np.array(velocities)).write(
        folder
    )
    return folder


@pytest.fixture
def run(folder, lmp):
    def run(name: str, femtoseconds: float, count: int):
        text = INPUT.replace("MODEL", name).replace("STEP", str(1e-3 * femtoseconds)).replace("COUNT", str(count))
        return lmp(text, folder=folder)

    return run


def test_trajectories_and_energies_are_the_same(run):
    """The energy wanders by the same amount, around the same value; what differs is rounding, of energies above all."""
    portable, compiled = (run(name, 0.5, 400) for name in ("model.pt", "model.pt2"))
    energies = [done.thermo()["TotEng"] for done in (portable, compiled)]
    wandering = [np.std(energy - np.polyval(np.polyfit(range(401), energy, 1), range(401))) for energy in energies]
    assert wandering[1] == pytest.approx(wandering[0], rel=0.1)
    for key in ("x", "y", "z"):
        np.testing.assert_allclose(compiled.atoms()[key], portable.atoms()[key], atol=2e-5)


def test_energy_error_of_the_compiled_form_falls_with_the_square_of_the_time_step(run):
    energies = [run("model.pt2", dt, round(200 / dt)).thermo()["TotEng"] for dt in (1.0, 0.5, 0.25)]
    spread = [np.std(energy) for energy in energies]
    assert spread[0] / spread[1] == pytest.approx(4.0, rel=0.25)
    assert spread[1] / spread[2] == pytest.approx(4.0, rel=0.25)
