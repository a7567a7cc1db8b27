"""`lampion stability` on water molecules with a strong and a weak bond."""

import json

import ase.io
import numpy as np
import pytest
from ase import units
from ase.build import molecule

import lj
from lampion.deploy.modelfile import Manifest
from lampion.pipeline.stability import layout
from lampion.pipeline.stability.folder import Folder
from lampion.pipeline.stability.molecules import read_molecules
from lampion.training.errors import DataError
from water import WATER, Water, write_frames

OPTIONS = ("--replicas", 6, "--steps", 400, "--seed", 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Frames of water a little out of shape, a model that holds and one that does not."""
    folder = tmp_path_factory.mktemp("stability")
    write_frames(folder)
    for name, depth in (("strong", 4.5), ("weak", 0.1)):
        lj.write_model(Water(depth), folder / f"{name}.pt", ("H", "O"), cutoff=6.0)
    lj.write_model(Water(4.5), folder / "atoms.pt", ("O1", "H2", "H3"), cutoff=6.0)
    return folder


def test_strong_bonds_hold_and_weak_ones_lose_hydrogen(folder, tmp_path, lampion):
    common = ("--starts", folder / "water.xyz", *OPTIONS, "--json")
    strong = lampion("stability", "--model", folder / "strong.pt", *common, "-o", tmp_path / "strong")
    assert strong.code == 0, strong.err
    figures = json.loads(strong.out.splitlines()[-1])
    assert (figures["replicas"], figures["dropped"], figures["failures"]) == (6, 0, 0)
    assert figures["failure_probability"]["low"] == 0.0
    assert 0.3 < figures["failure_probability"]["high"] < 0.6  # 1 - 0.025^(1/6) = 0.459
    assert figures["median_time_ps"] is None
    weak = lampion("stability", "--model", folder / "weak.pt", *common, "--temperature", 6000, "-o", tmp_path / "weak")
    assert weak.code == 0, weak.err
    figures = json.loads(weak.out.splitlines()[-1])
    assert figures["failures"] >= 2
    assert figures["causes"] == {"hydrogen loss": figures["failures"]}
    for run in ("strong", "weak"):
        assert (tmp_path / run / "report.html").stat().st_size > 10_000


def test_types_that_are_atoms_of_the_molecule_make_no_difference(folder, tmp_path, lampion):
    for name in ("strong", "atoms"):
        given = ("--starts", folder / "water.xyz", "--replicas", 3, "--steps", 60, "-o", tmp_path / name)
        outcome = lampion("stability", "--model", folder / f"{name}.pt", *given)
        assert outcome.code == 0, outcome.err
    strong, atoms = (np.loadtxt(tmp_path / name / "run/record.txt") for name in ("strong", "atoms"))
    assert len(strong) == 3 * 4
    np.testing.assert_allclose(atoms, strong, rtol=1e-6, atol=1e-9)


def test_a_finished_run_is_judged_again_without_running_and_another_is_refused(folder, tmp_path, lampion):
    given = ("--starts", folder / "water.xyz", "--replicas", 2, "--steps", 100, "-o", tmp_path / "run")
    first = lampion("stability", "--model", folder / "strong.pt", *given)
    assert first.code == 0, first.err
    assert first.out.splitlines()[-1] == str(tmp_path / "run/report.html")
    assert "0 of 2 failed in 0.1 ps (0 starts dropped): below 84.2 % (95 %)" in first.out  # 1 - 0.025^(1/2)
    log = (tmp_path / "run/run/log.lammps").stat().st_mtime_ns
    again = lampion("stability", "--model", folder / "strong.pt", *given)
    assert again.code == 2
    assert "holds an earlier run; continue it with --restart auto" in again.err
    assert lampion("stability", "--model", folder / "strong.pt", *given, "--restart", "auto").code == 0
    assert (tmp_path / "run/run/log.lammps").stat().st_mtime_ns == log
    other = lampion("stability", "--model", folder / "weak.pt", *given, "--restart", "auto")
    assert other.code == 2
    assert "its run differs in model" in other.err


def test_what_has_run_is_judged_before_the_end_and_nothing_is_run(folder, tmp_path, lampion):
    given = ("--model", folder / "weak.pt", "--starts", folder / "water.xyz", "--temperature", 6000, *OPTIONS)
    asked = (*given, "-o", tmp_path / "run")
    none = lampion("stability", *asked, "--so-far")
    assert (none.code, "holds no run to judge" in none.err) == (2, True), none.err
    assert not (tmp_path / "run").exists()
    assert lampion("stability", *asked).code == 0
    record = tmp_path / "run/run/record.txt"
    lines = record.read_text().splitlines(keepends=True)
    cut = next(row for row, line in enumerate(lines) if line.startswith("200 "))
    record.write_text("".join([*lines[:cut], lines[cut][:-3]]))  # as it lies there while half of the run is to come
    log = (tmp_path / "run/run/log.lammps").stat().st_mtime_ns
    outcome = lampion("stability", *asked, "--so-far", "--json")
    assert outcome.code == 0, outcome.err
    figures = json.loads(outcome.out)
    assert figures == json.loads((tmp_path / "run/stability.json").read_text())
    assert figures["horizon_ps"] == pytest.approx(0.18)
    assert max(row["time_ps"] for row in figures["times"]) <= 0.18
    assert (tmp_path / "run/report.html").exists()
    assert (tmp_path / "run/run/log.lammps").stat().st_mtime_ns == log


def test_keys_of_the_file_and_what_is_wrong_with_them(folder, tmp_path, lampion):
    config = tmp_path / "stability.yaml"
    config.write_text(f"model: {folder / 'strong.pt'}\nstarts: {folder / 'water.xyz'}\nreplica: 3\n")
    for arguments, message in (
        ((config,), "replica: Extra inputs are not permitted"),
        (("--model", folder / "strong.pt"), "starts: Field required; give it as --starts"),
        (("--model", "no.pt", "--starts", folder / "water.xyz"), "no.pt: no such file"),
        (
            ("--model", folder / "strong.pt", "--starts", folder / "water.xyz", "--criterion", "none"),
            "criterion: 'none' is not one of lampion, ",
        ),
    ):
        outcome = lampion("stability", *arguments, "-o", tmp_path / "out")
        assert (outcome.code, message in outcome.err) == (2, True), outcome.err
        assert not (tmp_path / "out").exists()


def test_frames_of_different_molecules_are_refused(tmp_path):
    ase.io.write(tmp_path / "mixed.xyz", [molecule("H2O"), molecule("CH4")])
    with pytest.raises(DataError, match=r"mixed\.xyz: frame 1 is CH4, frame 0 is OH2"):
        read_molecules(tmp_path / "mixed.xyz")


def test_molecules_start_without_momentum_apart_and_as_they_were(tmp_path):
    molecules = [WATER.copy() for _ in range(5)]
    layout.set_in_motion(molecules, 300.0, np.random.default_rng(1))
    manifest = Manifest(6.0, ("O", "H"), 1, "float64")
    types = layout.write_start(molecules, tmp_path / "start.data", manifest)
    assert types == {"elements": "H O", "names": "H O"}
    read = ase.io.read(tmp_path / "start.data", format="lammps-data", units="metal", atom_style="molecular")
    assert read.cell[0, 0] >= 2 * layout.SPACING
    for number, atoms in enumerate(molecules):
        replica = read[3 * number : 3 * number + 3]
        np.testing.assert_allclose(replica.get_momenta().sum(0), 0, atol=1e-8)
        np.testing.assert_allclose(replica.get_angular_momentum(), 0, atol=1e-6)
        assert replica.get_kinetic_energy() == pytest.approx(atoms.get_kinetic_energy(), rel=1e-3)
        np.testing.assert_allclose(replica.get_all_distances(), atoms.get_all_distances(), atol=1e-10)


def test_velocities_have_the_temperature_of_what_can_move():
    molecules = [WATER.copy() for _ in range(2000)]
    layout.set_in_motion(molecules, 300.0, np.random.default_rng(1))
    kinetic = np.mean([atoms.get_kinetic_energy() for atoms in molecules])
    assert kinetic == pytest.approx((3 * 3 - 6) / 2 * units.kB * 300.0, rel=0.05)  # standard error 1.8 %


def test_a_restart_file_that_was_not_finished_is_passed_over(tmp_path):
    run = Folder(tmp_path).run
    run.mkdir()
    assert Folder(tmp_path).newest_restart is None
    (run / "run.restart.1").write_bytes(b"LammpS RestartT" + bytes(1000) + b"LammpS RestartT\0")
    (run / "run.restart.2").write_bytes(b"LammpS RestartT" + bytes(1000))
    (run / "run.restart.3").write_bytes(b"LammpS RestartT")
    assert Folder(tmp_path).newest_restart == run / "run.restart.1"
