"""`lampion data`: one sentence and exit code 3 for bad labels, figures and files for good ones."""

import json

import numpy as np
import pytest

from lampion.training.data.hdf5 import read_hdf5, write_hdf5
from lampion.training.labels.extxyz import write_extxyz
from lampion.training.labels.file_units import ENERGY
from molecule import FREE, trajectory


def npz(path, *, scale=1.0):
    frames = trajectory(400).between(0, 60)
    np.savez(
        path,
        nuclear_charges=np.array([6, 6, 8, 1, 1, 1, 1, 1, 1]),
        coords=frames.positions.reshape(-1, 9, 3),
        energies=frames.energy * scale,
        forces=frames.forces.reshape(-1, 9, 3) * scale,
    )
    return path


@pytest.fixture
def xyz(tmp_path):
    write_extxyz(trajectory(400).between(0, 60), tmp_path / "a.extxyz")
    return tmp_path / "a.extxyz"


def test_convert_asks_for_the_unit_and_refuses_the_wrong_one(lampion, tmp_path):
    """The whole way of an rMD17 file: kcal/mol undeclared, declared as eV, declared rightly."""
    data, out = npz(tmp_path / "a.npz", scale=1 / ENERGY["kcal/mol"]), tmp_path / "out" / "a.h5"
    undeclared = lampion("data", "convert", data, "-o", out)
    assert undeclared.code == 3
    assert "declare --energy-unit" in undeclared.err
    wrong = lampion("data", "convert", data, "-o", out, "--energy-unit", "eV")
    assert wrong.code == 3
    assert "these numbers fit kcal/mol" in wrong.err
    assert "Thomas-Fermi" in wrong.err
    assert not list(out.parent.glob("*"))
    right = lampion("data", "convert", data, "-o", out, "--energy-unit", "kcal/mol")
    assert right.code == 0
    assert right.out.splitlines()[-1] == str(out)
    np.testing.assert_allclose(read_hdf5(out).energy, trajectory(400).energy[:60], rtol=1e-9)
    assert [p.name for p in out.parent.iterdir()] == ["a.h5"]


def test_convert_to_extended_xyz_and_back(lampion, xyz, tmp_path):
    assert lampion("data", "convert", xyz, "-o", tmp_path / "a.h5").code == 0
    assert lampion("data", "convert", tmp_path / "a.h5", "-o", tmp_path / "b.extxyz").code == 0
    assert (tmp_path / "b.extxyz").read_text() == xyz.read_text()
    foreign = lampion("data", "convert", xyz, "-o", tmp_path / "a.poscar")
    assert foreign.code == 2
    assert "unknown kind of output" in foreign.err


def test_check_reports_every_finding_and_ends_with_3_on_a_refusal(lampion, xyz, tmp_path):
    fine = lampion("data", "check", xyz)
    assert fine.code == 0
    assert fine.out.splitlines()[-1] == "no problem found"
    for what in ("distances", "bond stiffness", "size of energies", "consistency", "duplicates", "outliers"):
        assert f"ok       {what}" in fine.out
    frames = trajectory(400).select(np.arange(60))
    frames.forces[:] *= -1
    write_hdf5(frames, tmp_path / "wrong.h5")
    wrong = lampion("data", "check", tmp_path / "wrong.h5", "--json")
    assert wrong.code == 3
    refused = [f["text"] for f in json.loads(wrong.out)["findings"] if f["verdict"] == "refused"]
    assert any("the forces are gradients" in text for text in refused)


def test_check_names_outliers_beyond_the_score_asked_for(lampion, xyz):
    assert "beyond z = 1:" in lampion("data", "check", xyz, "--z-score", "1").out


def test_split_by_seed_and_by_rows(lampion, xyz, tmp_path):
    by_seed = lampion("data", "split", xyz, "-o", tmp_path / "s", "--train", "40", "--valid", "0.1", "--seed", "3")
    assert by_seed.code == 0
    sizes = [line.split()[:2] for line in by_seed.out.splitlines()[:-1]]
    assert sizes == [["train", "40"], ["valid", "6"], ["test", "14"]]
    assert by_seed.out.splitlines()[-1] == str(tmp_path / "s" / "split.json")
    (tmp_path / "rows.txt").write_text("\n".join(map(str, range(30))))
    rows = ["--train-index", tmp_path / "rows.txt", "--valid", "5"]
    again = lampion("data", "split", xyz, "-o", tmp_path / "s", *rows)
    assert again.code == 2
    assert "overwrite it with --force" in again.err
    assert lampion("data", "split", xyz, "-o", tmp_path / "s", *rows, "--force").code == 0
    record = json.loads((tmp_path / "s" / "split.json").read_text())
    assert sorted(record["rows"]["train"] + record["rows"]["valid"]) == list(range(30))
    assert record["rows"]["test"] == list(range(30, 60))


@pytest.mark.parametrize("size", ["none", "-1", "1.0", "0"])
def test_sizes_that_are_none(lampion, xyz, tmp_path, size):
    outcome = lampion("data", "split", xyz, "-o", tmp_path / "s", "--train", size)
    assert outcome.code == 2
    assert f"'{size}' is neither a share" in outcome.err


def test_options_of_other_kinds_of_files_are_refused(lampion, xyz):
    outcome = lampion("data", "info", xyz, "--units", "metal")
    assert outcome.code == 2
    assert "--units does not apply" in outcome.err
    half = lampion("data", "info", xyz, "--energy-key", "energy_md17")
    assert half.code == 2
    assert "go together" in half.err


def test_energies_of_isolated_atoms_are_kept(lampion, xyz, tmp_path):
    alone = "".join(f"1\nProperties=species:S:1:pos:R:3 energy={e}\n{name} 0 0 0\n" for name, e in FREE.items())
    (tmp_path / "free.xyz").write_text(alone)
    out = tmp_path / "a.h5"
    assert lampion("data", "convert", xyz, "--isolated-atoms", tmp_path / "free.xyz", "-o", out).code == 0
    assert read_hdf5(out).isolated == FREE
