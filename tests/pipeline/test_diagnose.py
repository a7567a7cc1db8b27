"""`lampion diagnose` on planted faults: the right cause is named, and none where there is none."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import laws
import lj
from lampion.analysis.stability.folder import read_watched
from lampion.deploy.export import export_checkpoint, script
from lampion.deploy.modelfile import Manifest, ModelFileError, read_manifest, save_model
from lampion.pipeline.diagnose.approaches import approaches
from lampion.pipeline.diagnose.case import Case, portable
from lampion.pipeline.lmp.relabel import relabel
from lampion.pipeline.lmp.replay import Replay, replay
from lampion.pipeline.lmp.runner import run_lammps
from lampion.training.data.frames import Frames
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.errors import ConfigError, DataError
from unsound import CUTOFF, Pairs, Short, WrongGradient
from water import WATER, Water, write_frames

LIQUID = """
units metal
lattice fcc 5.4
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 40
velocity all create ${T} 7 loop geom
pair_style lampion
pair_coeff * * ${model} Ar
neighbor ${skin} bin
neigh_modify ${lists}
fix 1 all nve
timestep ${dt}
thermo_style custom step pe ke etotal temp
thermo_modify norm no format float %.17g
thermo 5
run 500
"""
SETTINGS = {"T": 150, "dt": 0.004, "skin": 1.0, "lists": "every 1 delay 0 check yes"}


class Far(Pairs):
    """Sees coordinates 10 µm away from the origin, where float32 tells 0.008 Å apart."""

    def pair(self, edge_vectors: Tensor) -> Tensor:
        near = (edge_vectors + 1e5) - 1e5
        square = (near**2).sum(1)
        s = (3.4**2 / square) ** 3
        return 0.02 * (s * s - s) * self.envelope(square)


def run(folder: Path, module: torch.nn.Module, dtype: torch.dtype = torch.float64, **settings) -> Path:
    """A run of 32 atoms that heat a crystal; returns its folder."""
    model = lj.write_model(module, folder / "model.pt", cutoff=CUTOFF, dtype=dtype)
    (folder / "in.lmp").write_text(LIQUID)
    result = run_lammps(folder / "in.lmp", folder=folder / "run", variables={**SETTINGS, **settings, "model": model})
    assert result.ending.ok, result.ending
    return result.folder


def diagnosed(lampion, *arguments) -> dict:
    outcome = lampion("diagnose", *arguments, "--json")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out.splitlines()[-1])


def test_a_sound_run_has_no_drift(lampion, tmp_path):
    folder = run(tmp_path, Pairs())
    found = diagnosed(lampion, folder, "--steps", 250)
    assert found["cause"] == "no drift", found["sentence"]
    assert found["sentence"].startswith("No significant drift: ")
    drift = found["drift"]
    assert abs(drift["segments"]["as the run"]["drift"]["value"]) < 1e-4
    assert max(loop["mismatch"] for loop in drift["loops"]) < 1e-9
    assert max(abs(pull["energy_jump_eV"]) for pull in drift["cutoff"]["pulls"]) < 1e-12
    assert drift["ranks"] < 1e-9
    assert found["failures"] is None
    page = (folder / "diagnosis.html").read_text()
    assert found["sentence"][:40] in page
    assert "<script" not in page
    assert 'src="http' not in page


FAULTS = {
    "hard cutoff": (Short, {}, "cutoff", "the energy jumps by 0.0013 eV when a pair crosses the cutoff of 6 Å"),
    "wrong gradient": (WrongGradient, {}, "not a gradient", "not the gradient of the energy reported"),
    "float32": (Far, {"dtype": torch.float32}, "precision", "float64 leaves"),
    "time step": (Pairs, {"dt": 0.045}, "time step", "a quarter of the time step leaves"),
    "neighbor lists": (
        Pairs,
        {"T": 1500, "dt": 0.002, "skin": 0.01, "lists": "every 50 delay 50 check no"},
        "neighbor lists",
        "neighbor lists checked at every step leave",
    ),
}


@pytest.mark.parametrize(
    "fault", [name if name == "hard cutoff" else pytest.param(name, marks=pytest.mark.slow) for name in FAULTS]
)
def test_the_planted_fault_is_named(lampion, tmp_path, fault):
    module, settings, cause, words = FAULTS[fault]
    folder = run(tmp_path, module(), **settings)
    found = diagnosed(lampion, folder, "--steps", 200 if fault == "hard cutoff" else 500)
    assert found["cause"] == cause, found["sentence"]
    assert words in found["sentence"]


@pytest.mark.slow
def test_direct_forces_are_the_gradient_of_nothing(lampion, tmp_path):
    module = laws.direct()
    manifest = Manifest(laws.CUTOFF, ("Ar", "O"), module.n_layers, "float64", conservative=False)
    save_model(script(module), manifest, tmp_path / "model.pt")
    (tmp_path / "in.lmp").write_text(LIQUID)
    variables = {**SETTINGS, "dt": 0.002, "model": tmp_path / "model.pt"}
    folder = run_lammps(tmp_path / "in.lmp", folder=tmp_path / "run", variables=variables).folder
    found = diagnosed(lampion, folder, "--steps", 200)
    assert found["cause"] == "not a gradient"
    assert "forces without an energy" in found["sentence"]
    assert max(loop["work"] for loop in found["drift"]["loops"]) > 1e-4


def at_rest() -> Frames:
    """Water a little out of shape; labels of no use."""
    rng = np.random.default_rng(1)
    n = 40
    positions = WATER.positions + 0.03 * rng.normal(size=(n, 3, 3))
    return Frames(
        type_names=("H", "O"),
        offsets=3 * np.arange(n + 1),
        types=np.tile([1, 0, 0], n),
        positions=positions.reshape(-1, 3),
        cell=np.zeros((n, 3, 3)),
        pbc=np.zeros((n, 3), dtype=bool),
        energy=rng.normal(size=n),
        forces=rng.normal(size=(3 * n, 3)),
        step=np.arange(n),
    )


# -- failures ----------------------------------------------------------------------------------------------------------


class Hole(Water):
    """Sound near the minimum; of bonds stretched beyond 1.1 Å the energy falls into a hole."""

    def pair(self, like: Tensor, r: Tensor) -> Tensor:
        hole = torch.where(like | (r > 2.5), torch.zeros_like(r), 300.0 * torch.clamp(r - 1.1, min=0.0) ** 3)
        return self.bonds(like, r) - hole


@pytest.fixture(scope="module")
def water(tmp_path_factory):
    """Frames of water, the true surface, a model with a hole."""
    folder = tmp_path_factory.mktemp("water")
    write_frames(folder)
    lj.write_model(Water(4.5), folder / "true.pt", ("H", "O"), cutoff=6.0)
    lj.write_model(Hole(4.5), folder / "hole.pt", ("H", "O"), cutoff=6.0)
    return folder


def test_errors_before_a_failure_grow(lampion, water, tmp_path):
    given = ("--starts", water / "water.xyz", "--replicas", 6, "--steps", 1000, "--temperature", 6000)
    outcome = lampion("stability", "--model", water / "hole.pt", *given, "--timestep", 0.5, "-o", tmp_path, "--json")
    assert outcome.code == 0, outcome.err
    n_failed = json.loads(outcome.out.splitlines()[-1])["failures"]
    assert n_failed >= 2
    found = diagnosed(lampion, tmp_path, "--steps", 200, "--reference", water / "true.pt")
    failures = found["failures"]
    assert failures["growth"] > 10
    assert failures["n_growing"] == failures["failures"] == n_failed
    assert "the model fails there" in found["sentence"]
    replica = failures["replicas"][0]
    assert len(replica["force_error_eV_per_A"]) == len(replica["before_ps"]) > 3
    assert "Force error before failure" in (tmp_path / "diagnosis.html").read_text()

    # the model as its own reference: nothing to be seen
    own = approaches(
        read_watched(tmp_path / "run"), water / "hole.pt", tmp_path, reference=water / "hole.pt", data=None
    )
    assert max(one.forces.max() for one in own) < 1e-9
    # all leave the reach of frames at rest
    write_hdf5(at_rest(), tmp_path / "rest.h5")
    far = approaches(
        read_watched(tmp_path / "run"), water / "hole.pt", tmp_path, reference=None, data=tmp_path / "rest.h5"
    )
    assert all(one.novelty.max() > 1.0 for one in far)


def test_the_control_has_the_starts_and_velocities_of_the_model(lampion, water, tmp_path):
    given = ("--starts", water / "water.xyz", "--replicas", 3, "--steps", 1100, "--restart", "auto", "-o", tmp_path)
    model = ("--model", water / "true.pt")
    outcome = lampion("stability", *model, *given, "--reference", water / "true.pt")
    assert outcome.code == 0, outcome.err
    assert "drift beyond the reference's: 0 (0 to 0) meV/atom/ps" in outcome.out
    for name in ("record.txt", "failures.txt"):
        assert (tmp_path / "reference/run" / name).read_text() == (tmp_path / "run" / name).read_text()
    assert "Against the reference" in (tmp_path / "report.html").read_text()
    other = lampion("stability", *model, *given, "--reference", water / "hole.pt")
    assert other.code == 2
    assert "was run with another reference" in other.err


def test_labels_of_an_input_are_those_of_its_potential(tmp_path):
    (tmp_path / "pair.in").write_text(
        "variable eps index 0.1  # kcal/mol\nunits real\natom_style full\nread_data ${data}\n"
        "pair_style lj/cut 10.0\npair_coeff * * ${eps} &\n 2.0\nrun 10\n"
    )
    two = WATER[:2]
    two.positions = [[0, 0, 0], [2.5, 0, 0]]
    energy, forces = relabel(tmp_path / "pair.in", [two], tmp_path / "work")
    s = (2.0 / 2.5) ** 6
    unit = 4184.0 / (6.02214076e23 * 1.602176634e-19)
    assert energy[0] == pytest.approx(4 * 0.1 * unit * (s * s - s), rel=1e-6)
    assert forces[0, 1, 0] == pytest.approx(4 * 0.1 * unit * (12 * s * s - 6 * s) / 2.5, rel=1e-6)


def test_a_model_file_is_a_reference_under_any_name(water, tmp_path):
    model = (water / "true.pt").read_bytes()
    for name in ("true.pt2", "true"):
        (tmp_path / name).write_bytes(model)
        assert relabel(tmp_path / name, [WATER], tmp_path)[0] == relabel(water / "true.pt", [WATER], tmp_path)[0]
    (tmp_path / "half.pt2").write_bytes(model[:500])
    with pytest.raises(ModelFileError, match=r"half\.pt2 is not a Lampion model file"):
        relabel(tmp_path / "half.pt2", [WATER], tmp_path)


@pytest.mark.parametrize("content", [b"units real\nrun 10\n", b"\xff\0"])
def test_what_has_no_potential_is_no_reference(tmp_path, content):
    (tmp_path / "no.in").write_bytes(content)
    with pytest.raises(ConfigError, match="has no pair_style, so it is no reference"):
        relabel(tmp_path / "no.in", [WATER], tmp_path)


# -- setting a run up again --------------------------------------------------------------------------------------------

ECHO = """units           real
atom_style      molecular
if "$(is_defined(variable,resume))" then "read_restart ${resume}" else "read_data ${data}"
read_data ${data}
read_data here.data
  read_data CPU = 0.002 seconds
pair_style      hybrid/overlay lampion precision float32 distance stop zbl 0.5 1.0  # a wall
pair_coeff      * * lampion ${model} ${elements}
pair_coeff      * * lampion model.pt ${elements}
pair_coeff      * * lampion model.pt H O
pair_coeff      1 1 zbl 1 1
kspace_style    pppm 1e-4
neigh_modify    every 1 delay 0 check yes exclude molecule/inter all
timestep        ${dt}
timestep        0.5
"""


def test_a_log_tells_how_to_set_the_run_up_again(tmp_path):
    log = tmp_path / "log.lammps"
    log.write_text(ECHO + "run 0\nrun 100\n")
    (tmp_path / "here.data").touch()
    (tmp_path / "model.pt").touch()
    found = replay(log)
    assert found.atoms == ("units real", "atom_style molecular", f"read_data {tmp_path / 'here.data'}")
    assert (found.units, found.time_step, found.names) == ("real", 0.5, ("H", "O"))
    assert found.model == tmp_path / "model.pt"
    assert found.isolated
    assert found.precision == "float32"
    assert "kspace_style pppm 1e-4" in found.potential
    style = "pair_style hybrid/overlay lampion precision float64 distance stop zbl 0.5 1.0"
    assert found.with_precision("float64")[0] == style


def test_a_compiled_model_is_cast_as_the_module_in_it(tmp_path):
    """Machine code has one precision; what is compared with it comes from the same file."""
    model = tmp_path / "model.pt2"
    export_checkpoint(Path(__file__).parent.parent / "data" / "ethanol.ckpt", model)
    run = Replay((), ("pair_style lampion", f"pair_coeff * * {model} C H O"), "metal", 1e-3, model, ("C", "H", "O"))
    found = portable(Case(tmp_path, {}, run, read_manifest(model), None), tmp_path)
    assert found.potential[1] == f"pair_coeff * * {found.model} C H O"
    assert read_manifest(found.model) == replace(read_manifest(model), compiled=None)
    assert portable(Case(tmp_path, {}, found, read_manifest(found.model), None), tmp_path) is found


def test_where_earlier_runs_led_to_the_start_a_restart_file_is_needed(tmp_path):
    log = tmp_path / "log.lammps"
    log.write_text(ECHO + "run 50\nrun 100\n")
    (tmp_path / "here.data").touch()
    with pytest.raises(DataError, match="cannot be rebuilt: earlier runs led to it, and there is no restart file"):
        replay(log)
    (tmp_path / "a.restart").write_bytes(b"LammpS RestartT" + bytes(100) + b"LammpS RestartT\0")
    assert replay(log).atoms == (f"read_restart {tmp_path / 'a.restart'}",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("units metal\nread_data a\n", "no `run` in it"),
        ("units lj\nrun 10\n", "units lj have no Å and no eV"),
        ("units metal\npair_style lj/cut 3\nrun 10\n", "the run has no pair_style lampion"),
    ],
)
def test_logs_that_cannot_be_repeated(tmp_path, text, message):
    (tmp_path / "log.lammps").write_text(text)
    with pytest.raises(DataError, match=message):
        replay(tmp_path / "log.lammps")


# -- misuse ------------------------------------------------------------------------------------------------------------


def test_what_cannot_be_diagnosed_is_a_sentence(lampion, tmp_path):
    folder = run(tmp_path, Pairs())
    for arguments, code, message in (
        ((tmp_path,), 3, "no run.json; give a folder of `lampion stability` or `lampion run`"),
        ((folder, "--steps", 10), 2, "--steps 10: a slope needs at least 200"),
        ((folder, "--model", tmp_path / "in.lmp"), 3, "not the model of the run in"),
    ):
        outcome = lampion("diagnose", *arguments)
        assert (outcome.code, message in outcome.err) == (code, True), outcome.err
        assert not (folder / "diagnosis.json").exists()
    (tmp_path / "model.pt").unlink()
    assert "the model of the run is gone; say where it is with --model" in lampion("diagnose", folder).err
