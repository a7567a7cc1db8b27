"""`lampion improve`: what is chosen and how it is labelled, and failures that become fewer round by round."""

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
import yaml
from ase import Atoms
from ase.build import molecule
from torch import Tensor, nn

import lj
from lampion.analysis.stability.folder import read_watched
from lampion.deploy.calculator import LampionCalculator
from lampion.pipeline.improve.config import improve_config
from lampion.pipeline.improve.harvest import before_failure, labelled
from lampion.pipeline.improve.rounds import Improvement
from lampion.pipeline.shipped import shipped_path
from lampion.pipeline.stability.molecules import bare_frames
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.errors import ConfigError, DataError
from lampion.training.labels.extxyz import read_extxyz
from planted import FS, state, vibration, write_dump, write_run

WATER = molecule("H2O")


class Springs(nn.Module):
    """Every pair of atoms is a Morse bond about its length in water: 4.5 eV deep, or 1 eV between the hydrogens."""

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        i, j = edge_index[0], edge_index[1]
        r = torch.linalg.vector_norm(edge_vectors, dim=-1)
        rest = torch.where(types[i] == types[j], 1.526 + 0.0 * r, 0.969 + 0.0 * r)
        depth = torch.where(types[i] == types[j], 1.0 + 0.0 * r, 4.5 + 0.0 * r)
        well = 1.0 - torch.exp(-2.0 * (r - rest))
        return torch.zeros(types.shape[0], dtype=r.dtype).index_add(0, i, 0.5 * depth * well * well)


TRAINING = {
    "data": {"file": "water.xyz", "train": 12, "valid": 4, "test": 2},
    "model": {"cutoff": 3.5, "channels": 8, "l_max": 1, "layers": 1, "basis": 8},
    "optimizer": {"warmup_steps": 5},
    "epochs": 20,
    "batch_size": 4,
    "threads": 1,
}
IMPROVE = {
    "training": "train.yaml",
    "data": "water.xyz",
    "reference": "reference.pt",
    "relabel": True,
    "stability": {"replicas": 20, "steps": 150, "temperature": 4000.0, "relax_fmax": 0.3},
    "target": 0.2,
    "rounds": 1,
    "frames": 20,
    "largest_force": 50.0,
}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Frames of water next to its minimum, without labels, and the surface they are from."""
    frames = []
    for seed in range(30):
        frames.append(WATER.copy())
        frames[-1].rattle(0.015, seed=seed)
    ase.io.write(tmp_path / "water.xyz", frames)
    lj.write_model(Springs(), tmp_path / "reference.pt", ("H", "O"), cutoff=6.0)
    write_yaml(tmp_path, {})
    return tmp_path


def write_yaml(folder: Path, changes: dict[str, object]) -> Path:
    (folder / "train.yaml").write_text(yaml.safe_dump(TRAINING))
    (folder / "improve.yaml").write_text(yaml.safe_dump(IMPROVE | changes))
    return folder / "improve.yaml"


def test_failures_become_fewer_and_the_command_goes_on_where_it_was(folder, lampion, monkeypatch):
    command = ("improve", folder / "improve.yaml", "-o", folder / "out")
    monkeypatch.setattr("lampion.pipeline.stability.lab.write_stability_report", lambda *_, **__: None)  # takes seconds
    first = lampion(*command, "--json")
    assert first.code in (0, 4), first.err
    before, after = json.loads(first.out.splitlines()[-1])["rounds"]
    assert before["failures"] >= 5
    assert after["failures"] < 0.6 * before["failures"]
    assert before["frames"] == 12
    chosen = read_extxyz(folder / "out/round-0/chosen.extxyz")
    assert 0 < len(chosen) <= 20
    assert after["frames"] == 12 + len(chosen) - len(chosen) // 5
    calculator = LampionCalculator(folder / "reference.pt")
    atoms = Atoms("OHH", chosen.positions[chosen.atoms_of(3)], calculator=calculator)
    np.testing.assert_allclose(chosen.forces[chosen.atoms_of(3)], atoms.get_forces(), atol=1e-6)
    assert chosen.energy[3] == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    assert "round 1" in (folder / "out/report.html").read_text()
    monkeypatch.setattr("lampion.pipeline.improve.rounds.write_stability_report", lambda *_, **__: None)
    again = lampion(*command)
    assert again.code == first.code
    stages = [line for line in again.out.splitlines() if line.startswith("[")]
    assert len(stages) == 9
    assert all(line.endswith("up to date") for line in stages)


def planted(folder: Path, fails_at: int) -> Path:
    """Two replicas, the second taken out with its last 40 frames, 1 fs apart; `fails_at` is the step of its failure."""
    write_run(folder, {1: state(10), 2: state(10)}, [f"2 {fails_at} 39 bonds 1 2 2.2"])
    write_dump(folder / "frames.2.dump", {1: vibration(["O", "H", "H"], WATER.positions, 40, step=FS)})
    return folder


def test_frames_are_those_up_to_the_beginning_of_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr("planted.ETHANOL", WATER)
    folder = planted(tmp_path / "run", 20)
    assert len(read_watched(folder).kept[2].time) == 40
    rows = [{"replica": 1, "time_ps": 0.2, "cause": None}, {"replica": 2, "time_ps": 0.020, "cause": "hydrogen loss"}]
    found = before_failure(folder, {"times": rows})
    assert len(found) == 26  # steps 0 to 20 and 5 fs beyond
    assert found[0].symbols.get_chemical_formula() == "H2O"


def test_lammps_labels_argon_as_the_formula_does(tmp_path):
    rng = np.random.default_rng(0)
    corners = 4.0 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    clusters = [Atoms("Ar4", corners + 0.2 * rng.normal(size=(4, 3))) for _ in range(3)]
    found = labelled(clusters, shipped_path("lammps_inputs/argon/reference.in"), tmp_path)
    epsilon, shift = 0.2378 / 23.060549, (3.405 / 10.0) ** 6
    for k, atoms in enumerate(clusters):
        s = (3.405 / atoms.get_all_distances()[np.triu_indices(4, 1)]) ** 6
        unshifted = 4 * epsilon * (s * s - s).sum()
        # lj/smooth moves the whole curve up so that it ends at zero: by about its value at 10 Å
        assert found.energy[k] == pytest.approx(unshifted + 6 * 4 * epsilon * shift, abs=4e-4)
        vectors = atoms.get_all_distances(vector=True)
        r = np.linalg.norm(vectors, axis=2) + np.eye(4)
        pull = 24 * epsilon * (2 * (3.405 / r) ** 12 - (3.405 / r) ** 6) / r**2 * (1 - np.eye(4))
        np.testing.assert_allclose(found.forces[4 * k : 4 * k + 4], -(pull[..., None] * vectors).sum(1), atol=1e-9)
        np.testing.assert_array_equal(found.positions[4 * k : 4 * k + 4], atoms.positions)


def test_lammps_labels_ethanol_with_forces_that_are_slopes_of_the_energy(tmp_path):
    start = molecule("CH3CH2OH")
    start.rattle(0.05, seed=1)
    moved = [start.copy(), start.copy()]
    for sign, atoms in zip((1, -1), moved, strict=True):
        atoms.positions[3, 0] += sign * 1e-3
    found = labelled([start, *moved], shipped_path("lammps_inputs/stability/reference.in"), tmp_path)
    assert found.type_names == ("C", "H", "O")
    slope = (found.energy[1] - found.energy[2]) / 2e-3
    assert found.forces[3, 0] == pytest.approx(-slope, abs=2e-3)
    assert found.pbc.any() == found.cell.any() == False  # noqa: E712


def test_frames_without_labels_keep_their_order():
    frames = bare_frames([Atoms("OHH", WATER.positions), Atoms("HHO", WATER.positions)], ("H", "O"))
    assert frames.types.tolist() == [1, 0, 0, 0, 0, 1]
    assert not frames.energy.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": "no.pt"}, r"no\.pt: no such file"),
        ({"target": 0.05}, r"target 0\.05 cannot be met: no failure of 20 replicas means below 0\.168; test more"),
        ({"finetune": {"epoch": 3}}, r"epoch: unknown key"),
        ({"stability": {"replica": 3}}, r"replica: Extra inputs"),
        ({"rounds": 0}, r"improve\.yaml: rounds: Input should be greater"),
    ],
)
def test_what_is_wrong_with_the_file_is_said_before_anything_is_done(folder, change, message):
    with pytest.raises(ConfigError, match=message):
        improve_config(write_yaml(folder, change), {})


def test_failures_that_leave_no_frames_end_with_a_sentence(folder):
    improvement = Improvement(improve_config(folder / "improve.yaml", {}), folder / "out")
    improvement.data(0).mkdir(parents=True)
    write_hdf5(labelled([WATER], folder / "reference.pt", folder), improvement.data(0) / "train.h5")
    run = planted(improvement.path(0) / "stability" / "run", 20)
    (run / "frames.2.dump").unlink()
    verdict = {"failures": 1, "times": [{"replica": 2, "time_ps": 0.02, "cause": "energy drift"}]}
    (run.parent / "stability.json").write_text(json.dumps(verdict))
    with pytest.raises(DataError, match="round-0: none of 1 failures left frames to learn from; frames are kept of"):
        improvement._choose(0)
