"""`lampion stability` on bulk systems, every replica in its own box and run; and positions kept during a run."""

import json
import shutil

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk

import lj
from lampion.deploy.calculator import LampionCalculator
from lampion.pipeline.stability import layout, periodic
from lampion.training.errors import DataError
from water import WATER, Water, write_frames

SHIFT = (5.9, 0.2, 11.7)  # of a molecule, so that faces of its box cut it
EDGE = 12.0


def boxes_of_argon(n: int = 3) -> list[Atoms]:
    """Crystals of 32 atoms out of shape."""
    boxes = []
    for seed in range(n):
        boxes.append(bulk("Ar", "fcc", a=5.4, cubic=True) * 2)
        boxes[-1].rattle(0.1, seed=seed)
    return boxes


def box_of_water() -> Atoms:
    """One molecule, cut by the faces of its box."""
    return Atoms(WATER.numbers, WATER.positions + SHIFT, cell=[EDGE] * 3, pbc=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("periodic")
    ase.io.write(folder / "argon.xyz", boxes_of_argon())
    water = box_of_water()
    water.wrap()
    ase.io.write(folder / "water.xyz", [water] * 4)
    lj.write_model(lj.LennardJones(table(0.0104), table(3.4)), folder / "argon.pt", ("Ar",), cutoff=4.6)
    for name, depth in (("strong", 4.5), ("weak", 0.1)):
        lj.write_model(Water(depth), folder / f"{name}.pt", ("H", "O"), cutoff=5.0)
    return folder


def table(value: float) -> torch.Tensor:
    return torch.full((1, 1), value, dtype=torch.float64)


def rows(path) -> np.ndarray:
    return np.loadtxt(path / "run/record.txt")


def test_every_replica_is_the_system_alone(folder, tmp_path, lampion):
    given = ("--model", folder / "argon.pt", "--starts", folder / "argon.xyz", "--temperature", 40, "--steps", 200)
    outcome = lampion("stability", *given, "--json", "-o", tmp_path / "all")
    assert outcome.code == 0, outcome.err
    figures = json.loads(outcome.out.splitlines()[-1])
    assert (figures["replicas"], figures["dropped"], figures["failures"]) == (3, 0, 0)
    found = rows(tmp_path / "all")
    assert found[:, 0].tolist() == [step for step in range(0, 201, 20) for _ in range(3)]
    assert found[:3, 1].tolist() == [1, 2, 3]
    for replica in (1, 2, 3):
        system = layout.read_start(tmp_path / f"all/replicas/{replica:04d}/start.data")[0]
        system.set_cell([10.8] * 3)
        system.pbc = True
        system.calc = LampionCalculator(folder / "argon.pt")
        mine = found[found[:, 1] == replica]
        assert mine[0, 2] == pytest.approx(system.get_potential_energy(), rel=1e-9)
        kelvin = 2 * mine[0, 3] / ((3 * 32 - 3) * units.kB)
        assert mine[0, 4] == pytest.approx(kelvin, rel=1e-4)
        assert 25 < kelvin < 55
        np.testing.assert_allclose(system.get_momenta().sum(axis=0), 0, atol=1e-7)
        total = mine[:, 2] + mine[:, 3]
        assert np.ptp(total) < 0.02 * np.ptp(mine[:, 3])


def test_interrupted_it_goes_on_with_the_replica_that_is_missing(folder, tmp_path, lampion):
    given = ("--model", folder / "argon.pt", "--starts", folder / "argon.xyz", "--temperature", 40, "--steps", 100)
    assert lampion("stability", *given, "-o", tmp_path / "run").code == 0
    before = (tmp_path / "run/run/record.txt").read_text()
    kept = (tmp_path / "run/replicas/0001/run/log.lammps").stat().st_mtime_ns
    shutil.rmtree(tmp_path / "run/replicas/0002/run")
    shutil.rmtree(tmp_path / "run/run")
    so_far = lampion("stability", *given, "--so-far", "--json", "-o", tmp_path / "run")
    assert [row["replica"] for row in json.loads(so_far.out)["times"]] == [1, 3]
    assert not (tmp_path / "run/replicas/0002/run").exists()
    assert lampion("stability", *given, "--restart", "auto", "-o", tmp_path / "run").code == 0
    assert (tmp_path / "run/run/record.txt").read_text() == before
    assert (tmp_path / "run/replicas/0001/run/log.lammps").stat().st_mtime_ns == kept


def test_what_an_interrupted_preparation_left_is_not_run(folder, tmp_path, lampion):
    (tmp_path / "run/replicas/0003").mkdir(parents=True)
    (tmp_path / "run/replicas/0003/start.data").write_text("half")
    given = ("--model", folder / "argon.pt", "--starts", folder / "argon.xyz", "--replicas", 2, "--steps", 20)
    outcome = lampion("stability", *given, "--json", "-o", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out.splitlines()[-1])["replicas"] == 2


def test_molecules_cut_by_the_box_hold_and_weak_ones_lose_hydrogen(folder, tmp_path, lampion):
    common = ("--starts", folder / "water.xyz", "--steps", 400, "--timestep", 0.5, "--json")
    strong = lampion("stability", "--model", folder / "strong.pt", *common, "-o", tmp_path / "strong")
    assert strong.code == 0, strong.err
    assert json.loads(strong.out.splitlines()[-1])["failures"] == 0
    weak = lampion("stability", "--model", folder / "weak.pt", *common, "--temperature", 6000, "-o", tmp_path / "weak")
    assert weak.code == 0, weak.err
    figures = json.loads(weak.out.splitlines()[-1])
    assert figures["causes"]["hydrogen loss"] >= 2  # one may get too hot before
    failed = {row["replica"] for row in figures["times"] if row["cause"]}
    assert {int(path.name.split(".")[1]) for path in (tmp_path / "weak/run").glob("frames.*.dump")} == failed


def test_a_reference_runs_from_the_same_starts(folder, tmp_path, lampion):
    given = ("--model", folder / "weak.pt", "--starts", folder / "water.xyz", "--steps", 40, "--replicas", 2)
    outcome = lampion("stability", *given, "--reference", folder / "strong.pt", "--json", "-o", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out.splitlines()[-1])["reference"]["replicas"] == 2
    model, reference = rows(tmp_path / "run"), rows(tmp_path / "run/reference")
    np.testing.assert_array_equal(model[:2, 3], reference[:2, 3])  # the velocities of the start
    assert (model[:2, 2] != reference[:2, 2]).all()


def test_molecules_are_made_whole_and_endless_bonds_are_found():
    wrapped = box_of_water()
    wrapped.wrap()
    assert np.ptp(wrapped.positions, axis=0).max() > EDGE / 2
    positions, endless = periodic.whole(wrapped)
    assert not endless
    assert np.ptp(positions, axis=0).max() < 2.0
    np.testing.assert_allclose(Atoms("OH2", positions).get_all_distances(), WATER.get_all_distances(), atol=1e-12)
    assert periodic.whole(bulk("Al", "fcc", a=4.05, cubic=True) * 2)[1]
    assert not periodic.whole(boxes_of_argon(1)[0])[1]
    assert "break NULL" in periodic.watch(32, ensemble="nve", endless=True)["limits"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pbc": (True, True, False)}, "frame 0 is not periodic along all axes"),
        ({"cell": [[EDGE, 0, 0], [3, EDGE, 0], [0, 0, EDGE]]}, "the cell of frame 0 is not a box along x, y and z"),
        ({"cell": [EDGE, EDGE, 3.0]}, r"an edge of frame 0 is 3.00 Å, 4.22 or more is needed"),
    ],
)
def test_boxes_that_cannot_be_judged_are_refused(tmp_path, change, message):
    atoms = box_of_water()
    atoms.set_cell(change.get("cell", atoms.cell))
    atoms.pbc = change.get("pbc", atoms.pbc)
    with pytest.raises(DataError, match=message):
        periodic.require_boxes([atoms], tmp_path / "water.xyz")


def test_what_is_about_molecules_is_refused_before_anything_is_written(folder, tmp_path, lampion):
    given = ("--model", folder / "strong.pt", "--starts", folder / "water.xyz", "-o", tmp_path / "run")
    outcome = lampion("stability", *given, "--criterion", "mdsim")
    assert (outcome.code, "mdsim is about molecules" in outcome.err) == (2, True), outcome.err
    outcome = lampion("stability", "--model", folder / "argon.pt", *given[2:])
    assert (outcome.code, "the model knows Ar; the starts are of OH2" in outcome.err) == (3, True), outcome.err
    assert not (tmp_path / "run").exists()
    molecules = lampion("stability", *given, "--molecules", "--replicas", 1, "--steps", 20)
    assert molecules.code == 0, molecules.err
    assert not (tmp_path / "run/replicas").exists()


def test_a_definition_about_positions_has_them_written_and_judged(folder, tmp_path, lampion):
    frames = write_frames(tmp_path)
    common = ("--starts", frames, "--replicas", 3, "--steps", 800, "--timestep", 0.5, "--criterion", "mdsim", "--json")
    for name, kelvin, failures in (("strong", 300, 0), ("weak", 6000, 3)):
        given = ("--model", folder / f"{name}.pt", "--temperature", kelvin, "-o", tmp_path / name)
        outcome = lampion("stability", *given, *common)
        assert outcome.code == 0, outcome.err
        figures = json.loads(outcome.out.splitlines()[-1])
        assert (figures["failures"] == 0) is (failures == 0)
        assert len((tmp_path / name / "run/trajectory-0.dump").read_text().split("TIMESTEP")) > 2
    without = ("--model", folder / "strong.pt", "--starts", frames, "--replicas", 1, "--steps", 20)
    assert lampion("stability", *without, "-o", tmp_path / "bare").code == 0
    again = lampion("stability", *without, "--criterion", "mdsim", "--restart", "auto", "-o", tmp_path / "bare")
    assert again.code == 2
    assert "mdsim is about the positions of molecules during the run, which this one does not keep" in again.err
