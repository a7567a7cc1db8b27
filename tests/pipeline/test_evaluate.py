"""`lampion evaluate`: figures against labels of a known formula, several sets, committees, and what it refuses."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list

import argon
import lj
from lampion.deploy.modelfile import Manifest, save_model
from lampion.pipeline.evaluate.report import set_names
from lampion.training.data.frames import Frames
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.labels.extxyz import write_extxyz

CUTOFF = 6.0


def lj_labels(frames: Frames, scale: float = 1.0) -> Frames:
    """Label frames with the truncated Lennard-Jones of `lj.argon`, by numpy and ASE's neighbour list."""
    energy, forces, stress = [], np.zeros_like(frames.forces), []
    epsilon, sigma = (
        m.numpy() for m in (lj.argon(len(frames.type_names)).epsilon, lj.argon(len(frames.type_names)).sigma)
    )
    for f in range(len(frames)):
        rows = frames.atoms_of(f)
        atoms = Atoms(f"Ar{len(frames.types[rows])}", frames.positions[rows], cell=frames.cell[f], pbc=frames.pbc[f])
        i, j, vectors = neighbor_list("ijD", atoms, CUTOFF)
        a, b = frames.types[rows][i], frames.types[rows][j]
        r = np.linalg.norm(vectors, axis=1)
        s = (sigma[a, b] / r) ** 6
        energy.append(scale * 2 * (epsilon[a, b] * (s**2 - s)).sum())
        slope = scale * 4 * epsilon[a, b] * (6 * s - 12 * s**2) / r
        pair = (slope / r)[:, None] * vectors
        forces[rows] = np.stack([np.bincount(i, pair[:, x], rows.stop - rows.start) for x in range(3)], axis=1)
        stress.append(0.5 * vectors.T @ pair / np.linalg.det(frames.cell[f]))
    return replace(frames, energy=np.array(energy), forces=forces, stress=np.stack(stress))


def mixture(n_frames: int = 6, seed: int = 0) -> Frames:
    """Crystals of two elements, named in another order than the model names them."""
    frames = argon.crystal_frames(n_frames, seed=seed)
    types = np.random.default_rng(seed).integers(0, 2, len(frames.types))
    return lj_labels(replace(frames, type_names=("Ar", "Kr"), types=types))


@pytest.fixture
def model(tmp_path) -> Path:
    return lj.write_model(lj.argon(), tmp_path / "model.pt", cutoff=CUTOFF)


def numbers(lampion, *arguments: str | Path) -> dict:
    outcome = lampion("evaluate", *arguments, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.out.count("\n") == 1
    return json.loads(outcome.out)


def test_the_right_model_has_no_error(lampion, tmp_path):
    """The labels come from the same formula in numpy; the model numbers its types the other way round."""
    swapped = lj.argon(2)
    swapped.epsilon, swapped.sigma = swapped.epsilon.flip(0, 1), swapped.sigma.flip(0, 1)
    path = lj.write_model(swapped, tmp_path / "model.pt", type_names=("Kr", "Ar"), cutoff=CUTOFF)
    write_extxyz(mixture(), tmp_path / "data.extxyz")
    found = numbers(lampion, path, tmp_path / "data.extxyz")
    assert found["n_frames"] == 6
    assert found["n_atoms"] == 192
    assert found["energy"]["mae_meV_per_atom"] < 1e-6
    assert found["forces"]["rmse_meV_per_A"] < 1e-4  # extended XYZ holds eight decimals
    assert found["stress"]["mae_GPa"] < 1e-6
    assert set(found["forces"]["per_element"]) == {"Ar", "Kr"}
    # Negative control: the same model with its types in the wrong order.
    wrong = lj.write_model(lj.argon(2), tmp_path / "wrong.pt", type_names=("Kr", "Ar"), cutoff=CUTOFF)
    assert numbers(lampion, wrong, tmp_path / "data.extxyz")["forces"]["mae_meV_per_A"] > 1.0


def test_errors_of_a_model_that_is_two_percent_off_are_two_percent(lampion, model, tmp_path):
    labels = lj_labels(argon.crystal_frames(5), scale=1.02)
    write_hdf5(labels, tmp_path / "data.h5")
    found = numbers(lampion, model, tmp_path / "data.h5")
    share = 0.02 / 1.02
    assert found["energy"]["mae_meV"] == pytest.approx(1e3 * share * np.abs(labels.energy).mean())
    assert found["forces"]["rmse_meV_per_A"] == pytest.approx(1e3 * share * np.sqrt((labels.forces**2).mean()))
    assert [b["relative_rmse"] for b in found["forces"]["per_norm_bin"]] == pytest.approx(
        [share] * len(found["forces"]["per_norm_bin"])
    )
    assert found["stress"]["rmse_meV_per_A3"] == pytest.approx(1e3 * share * np.sqrt((labels.stress**2).mean()))


def test_another_zero_of_energy_is_reported_and_removed_on_request(lampion, model, tmp_path):
    frames = lj_labels(argon.crystal_frames(8), scale=1.001)
    moved = replace(frames, energy=frames.energy + 32 * 500.0)
    write_hdf5(moved, tmp_path / "data.h5")
    plain = lampion("evaluate", model, tmp_path / "data.h5", "--json")
    assert json.loads(plain.out)["energy"]["mae_meV_per_atom"] == pytest.approx(5e5, rel=1e-3)
    assert re.search(r"data.h5: .* a constant per atom \(Ar -499\.\d+ eV\).* --align-energy\n$", plain.err)
    aligned = lampion("evaluate", model, tmp_path / "data.h5", "--json", "--align-energy")
    found = json.loads(aligned.out)
    assert aligned.err == ""
    assert found["energy"]["mae_meV_per_atom"] < 0.1
    assert found["energy_shift_removed_eV"]["Ar"] == pytest.approx(-500.0, abs=1e-3)


def test_sets_stand_side_by_side_on_one_page(lampion, model, tmp_path):
    for name, cells, seed in (("train", 1, 0), ("near", 1, 1), ("large", 2, 2)):
        write_hdf5(lj_labels(argon.crystal_frames(6, cells=cells, seed=seed), 1.02), tmp_path / f"{name}.h5")
    members = []
    for index, size in enumerate((0.995, 1.003)):
        member = lj.argon()
        member.sigma *= size
        members += ["--committee", lj.write_model(member, tmp_path / f"m{index}.pt", cutoff=CUTOFF)]
    sets = (tmp_path / "near.h5", tmp_path / "large.h5")
    options = [*members, "--training", tmp_path / "train.h5", "--by", "size", "-o", tmp_path / "out"]
    outcome = lampion("evaluate", model, *sets, *options)
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1] == str(tmp_path / "out" / "evaluation.html")
    assert "near.h5" in outcome.out
    tables = json.loads((tmp_path / "out" / "evaluation.json").read_text())["sets"]
    assert [table["n_atoms"] for table in tables] == [24, 192]
    assert [table["by_size"][0]["size"] for table in tables] == [4, 32]
    for table in tables:
        assert table["committee"]["forces_meV_per_A"]["n_members"] == 3
        assert table["novelty"]["n_atoms"] == table["n_atoms"]
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert page.count("<figure>") == 4 + 3 + 4
    assert not re.search(r"https?://|<script|<link", page)
    with np.load(tmp_path / "out" / "parity-large.npz") as arrays:
        errors = 1e3 * (arrays["forces_predicted"] - arrays["forces_reference"])
    assert np.abs(errors).mean() == pytest.approx(tables[1]["forces"]["mae_meV_per_A"])
    again = numbers(lampion, model, *sets, *options)
    assert again["sets"] == tables


def test_a_training_folder_gives_its_training_frames(lampion, model, tmp_path):
    write_hdf5(lj_labels(argon.crystal_frames(20)), tmp_path / "frames.h5")
    config = argon.write_config(tmp_path, epochs="1")
    assert lampion("train", config, "-o", tmp_path / "train").code == 0
    write_hdf5(lj_labels(argon.crystal_frames(20)).select(range(16)), tmp_path / "first.h5")
    found = numbers(lampion, model, tmp_path / "first.h5", "--training", tmp_path / "train")
    assert found["novelty"]["max"] < 1e-6
    empty = lampion("evaluate", model, tmp_path / "first.h5", "--training", tmp_path)
    assert empty.code == 2
    assert "no config.json, so no training was here" in empty.err


class Spring(torch.nn.Module):
    """Forces towards the neighbours, and no energy."""

    def __init__(self, constant: float) -> None:
        super().__init__()
        self.conservative, self.constant = False, constant

    def forward(self, types, edge_index, edge_vectors):
        forces = torch.zeros([types.shape[0], 3], dtype=edge_vectors.dtype)
        return forces.index_add(0, edge_index[0], self.constant * edge_vectors)


def test_committee_without_energies_has_null_and_not_nan_for_their_errors(lampion, tmp_path):
    write_hdf5(lj_labels(argon.crystal_frames(5)), tmp_path / "data.h5")
    manifest = Manifest(CUTOFF, ("Ar",), 1, "float64", conservative=False)
    members = [tmp_path / "a.pt", tmp_path / "b.pt"]
    for constant, member in enumerate(members, start=1):
        save_model(torch.jit.script(Spring(1e-3 * constant).eval()), manifest, member)
    outcome = lampion("evaluate", members[0], tmp_path / "data.h5", "--committee", members[1], "--json")
    assert outcome.code == 0, outcome.err
    assert "NaN" not in outcome.out
    committee = json.loads(outcome.out)["committee"]
    assert committee["mean"]["energy_mae_meV_per_atom"] is None
    assert committee["mean"]["forces_mae_meV_per_A"] > 0.0
    assert committee["energy_meV_per_atom"] is None


class Unbound(torch.nn.Module):
    """A model that has lost its numbers."""

    def forward(self, types, edge_index, edge_vectors):
        return torch.zeros(types.shape[0], dtype=edge_vectors.dtype).index_add(
            0, edge_index[0], torch.log(-(edge_vectors**2).sum(1))
        )


def refusals(folder: Path) -> dict[str, tuple[list[str | Path], int, str]]:
    frames = lj_labels(argon.crystal_frames(3))
    write_hdf5(frames, folder / "ar.h5")
    write_hdf5(replace(frames, type_names=("Kr",)), folder / "kr.h5")
    good = lj.write_model(lj.argon(), folder / "good.pt", cutoff=CUTOFF)
    reduced = lj.write_model(lj.argon(), folder / "lj.pt", units="lj", cutoff=CUTOFF)
    lost = lj.write_model(Unbound(), folder / "nan.pt", cutoff=CUTOFF)
    data = folder / "ar.h5"
    return {
        "other element": ([good, folder / "kr.h5"], 3, "has Kr, the model knows Ar"),
        "reduced units": ([reduced, data], 2, "the model is in reduced units"),
        "no numbers": ([lost, data], 4, "predicts NaN or infinity for frame 0 and 2 others"),
        "same member twice": ([good, data, "--committee", good], 2, "all members of the committee predict the same"),
        "no model": ([data, data], 3, "is not a Lampion model file"),
        "no data": ([good, folder / "none.h5"], 3, "none.h5: no such file"),
        "unknown grouping": ([good, data, "--by", "colour"], 2, "'colour' is not one of size"),
    }


def test_what_cannot_be_judged_is_refused_in_one_sentence(lampion, tmp_path):
    for name, (arguments, code, message) in refusals(tmp_path).items():
        outcome = lampion("evaluate", *arguments, "--json", "-o", tmp_path / "out")
        assert outcome.code == code, name
        assert message in outcome.err, name
        assert outcome.out == "", name
        assert "Traceback" not in outcome.err
        assert not (tmp_path / "out").exists()


def test_names_of_equal_files_are_told_apart():
    sets = [{"data": {"file": name}} for name in ("a/test.h5", "b/test.h5", "c/far.extxyz.xz")]
    assert set_names(sets) == ["test-1", "test-2", "far"]
