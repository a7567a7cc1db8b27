"""`lampion check`: sound models pass every row, and each kind of unsound model fails the rows that show its fault."""

import json
from pathlib import Path

import pytest
import torch

import argon
import laws
import lj
from lampion.deploy.export import export_checkpoint
from lampion.deploy.modelfile import Manifest, save_model
from lampion.pipeline.check.laws import Row, check_model
from lampion.training.config.training import load_config
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.loop.train import Training
from unsound import CUTOFF, Ordered, Oriented, Pairs, Short, Unwilling, WrongGradient

DERIVATIVES = {"forces by finite differences", "virial by finite differences"}
CONSERVATION = "energy conservation, 200 steps"


def write(module: torch.nn.Module, folder: Path, **manifest) -> Path:
    return lj.write_model(module, folder / "model.pt", cutoff=CUTOFF, **manifest)


def failures(rows: list[Row]) -> set[str]:
    assert len(rows) == 9
    return {row.name for row in rows if not row.passed}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_smooth_lennard_jones_passes(tmp_path, dtype):
    assert failures(check_model(write(Pairs(), tmp_path, dtype=dtype))) == set()


def test_reduced_units_pass(tmp_path):
    assert failures(check_model(write(Pairs(), tmp_path, units="lj"))) == set()


def test_equivariant_potential_of_two_types_passes(tmp_path):
    model = laws.potential("float64")
    manifest = Manifest(laws.CUTOFF, ("A", "B"), model.n_layers, "float64")
    save_model(torch.jit.script(model), manifest, tmp_path / "model.pt")
    assert failures(check_model(tmp_path / "model.pt")) == set()


def test_trained_argon_passes(tmp_path):
    write_hdf5(argon.crystal_frames(20), tmp_path / "frames.h5")
    best = Training(load_config(argon.write_config(tmp_path)), tmp_path / "train").run(restart=False)
    export_checkpoint(best, tmp_path / "model.pt")
    assert failures(check_model(tmp_path / "model.pt")) == set()


UNSOUND = {
    "gradient": (WrongGradient(), DERIVATIVES | {CONSERVATION}),
    "orientation": (Oriented(), {"virial by finite differences", "rotation"}),
    "order": (Ordered(), {"permutation", "2 MPI ranks against 1", "supercell against cell"}),
    "hard cutoff": (Short(), {"continuity at the cutoff", CONSERVATION}),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_unsound_model_fails_where_it_is_unsound(tmp_path, name):
    module, expected = UNSOUND[name]
    assert failures(check_model(write(module, tmp_path))) >= expected


def test_a_model_too_shallow_for_its_manifest_fails_on_two_ranks(tmp_path):
    """Three layers declared as one: ghosts beyond one cutoff are missing, which one rank does not show."""
    model = lj.Unlayered(lj.LayeredDensity(CUTOFF, 1))
    found = failures(check_model(write(model, tmp_path, n_layers=1)))
    assert found == {"2 MPI ranks against 1"}


def test_command_prints_the_table_and_exits_4_on_failure(lampion, tmp_path):
    good = lampion("check", write(Pairs(), tmp_path))
    assert good.code == 0, good.out
    assert good.out.count("ok  ") == 9
    bad = lampion("check", write(Short(), tmp_path), "--json")
    assert bad.code == 4
    table = json.loads(bad.out)
    assert table["passed"] is False
    assert {"name", "figure", "tolerance", "passed"} == set(table["checks"][0])


def test_model_that_lmp_cannot_run_is_a_sentence(lampion, tmp_path):
    outcome = lampion("check", write(Unwilling(), tmp_path))
    assert outcome.code == 4
    assert "model.pt cannot be checked: on 1 MPI rank(s), LAMMPS stopped" in outcome.err
    assert "not today" in outcome.err
    assert outcome.err.count("\n") == 1
    assert lampion("check", tmp_path / "lost.pt").code == 3
