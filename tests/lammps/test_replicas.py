"""fix lampion/replicas against failures that were planted, at steps that are known beforehand."""

import re
from collections.abc import Callable
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest
import torch
from ase import units
from ase.data import chemical_symbols, covalent_radii
from ase.io import read

import lj
from lampion.analysis.fragments import BOND_FACTOR
from lampion.deploy.modelfile import Manifest, save_model
from replicas import Replicas, failures, header, rows, script
from stock_lmp import Finished

Lmp = Callable[..., Finished]
DT = 0.0005  # ps
PERSIST = 0.01  # ps
OH, HH = 0.66 + 0.31, 0.31 + 0.31  # sums of covalent radii, Å
WATER = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])  # O H H
FREE = "pair_style zero 3.0\npair_coeff * *"  # no forces: all move along straight lines
WATCH = (
    "fix watch all lampion/replicas elements H O record record.txt record_every 10 failures failed.txt "
    "keep 3 2 frames temperature NULL persist 0.01 {}"
)


def at_rest(n: int) -> Replicas:
    """`n` water molecules that overlap in space."""
    positions = np.tile(WATER + 30.0, (n, 1, 1))
    return Replicas(["O", "H", "H"], positions, np.zeros_like(positions))


def first(condition: Callable[[float], bool]) -> int:
    """The first step at whose time the condition holds."""
    return next(step for step in range(100000) if condition(step * DT))


def long_enough(start: int) -> int:
    return start + round(PERSIST / DT)


HOP = 1.6  # Å, amplitude of a hydrogen that swings across its bond
FAST, SLOW = 0.04, 0.05  # ps, periods: at the turning points the bond is long for 9 or for 11 fs


def stiffness(period: float) -> float:
    """Of the spring on a hydrogen, eV/Å²."""
    return 1.008 * (2 * np.pi / period) ** 2 * 1.0364269656262175e-4


def planted() -> tuple[Replicas, dict[int, tuple[int, int, str, int, int]]]:
    """Nine molecules and what has to become of them: step, detected, kind and atoms, by replica."""
    box = at_rest(9)
    r, v = box.positions, box.velocities
    expected: dict[int, tuple[int, int, str, int, int]] = {}
    # 1 stays as it is; in 2 a hydrogen leaves at 100 Å/ps
    v[1, 1, 0] = 100.0
    start = first(lambda t: 0.96 + 100 * t > 1.6 * OH)
    expected[2] = (start, long_enough(start), "bonds", 1, 2)
    # in 3 the hydrogens meet
    line = r[2, 2] - r[2, 1]
    v[2, 1] = 150.0 * line / np.linalg.norm(line)
    start = first(lambda t: np.linalg.norm(line) - 150 * t < 0.5 * HH)
    expected[3] = (start, start, "distance", 2, 3)
    # 4 is pulled at from step 13 on: see `FORCES`
    expected[4] = (13, 13, "force", 3, 0)
    # in 5 a hydrogen hops out and back; in 6 slower, so that it stays out too long: see the springs of `FORCES`
    for replica, period in ((4, FAST), (5, SLOW)):
        v[replica, 1, 2] = HOP * 2 * np.pi / period
    start = first(lambda t: np.hypot(0.96, HOP * np.sin(2 * np.pi * t / SLOW)) > 1.6 * OH)
    expected[6] = (start, long_enough(start), "bonds", 1, 2)
    # 7 is at the wall, and an atom goes through it
    r[6, :, 2] = 59.0
    v[6, 2, 2] = 300.0
    start = first(lambda t: 59.0 + 300.0 * t >= 60.0)
    expected[7] = (start, start, "lost", 3, 0)
    # in 8 a hydrogen drifts in from outside and stays; in 9 it flies past
    for replica, speed in ((7, 40.0), (8, 400.0)):
        r[replica, 2] = r[replica, 0] + [0.0, 2.0, 0.9]
        v[replica, 2, 1] = -speed
    start = first(lambda t: np.hypot(2.0 - 40.0 * t, 0.9) < 0.95 * 1.2 * OH)
    expected[8] = (start, long_enough(start), "bonds", 1, 3)
    return box, expected


FORCES = f"""
group pulled id 12
variable pull equal "150.0*(step >= 13)"
fix pull pulled addforce v_pull 0.0 0.0
group fast id 14
group slow id 17
fix fast fast spring/self {stiffness(FAST)}
fix slow slow spring/self {stiffness(SLOW)}
"""


@pytest.mark.parametrize("ranks", [1, 4])
def test_planted_failures_are_found_at_their_step(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    box, expected = planted()
    box.write(tmp_path)
    done = lmp(script(FREE, FORCES + WATCH.format(""), "run 120", boundary="f f f"), ranks)
    found = failures(tmp_path / "failed.txt")
    assert {replica: entry[:5] for replica, entry in found.items()} == expected
    assert found[4][5] == pytest.approx(150.0)
    assert found[7][5] == 1.0
    thermo = done.thermo()
    assert thermo["Atoms"][-1] == 3 * 3
    assert thermo["f_watch"][-1] == 6
    assert [thermo[f"f_watch[{k}]"][-1] for k in range(1, 8)] == [0, 1, 0, 1, 0, 3, 1]


def test_ranks_do_not_matter(lmp: Lmp, tmp_path: Path) -> None:
    """The files of one rank and of two hold the same."""
    tables = []
    for ranks in (1, 2):
        folder = tmp_path / str(ranks)
        folder.mkdir()
        planted()[0].write(folder)
        lmp(script(FREE, FORCES + WATCH.format(""), "run 60", boundary="f f f"), ranks, folder=folder)
        tables.append([list(row.values()) for row in rows(folder / "record.txt")])
        frames = read(folder / "frames.2.dump", index=":", format="lammps-dump-text")
        tables[-1] += [[str(x) for x in frame.positions.ravel()] for frame in frames]
    for one, other in zip(*tables, strict=True):
        np.testing.assert_allclose(np.array(one, float), np.array(other, float), rtol=1e-6, atol=1e-9)


def test_rows_are_those_of_the_molecules(lmp: Lmp, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    box = at_rest(3)
    box.velocities[:] = rng.normal(0.0, 3.0, box.velocities.shape)
    box.positions[:] += rng.normal(0.0, 0.05, box.positions.shape)
    box.write(tmp_path)
    pair = "pair_style lj/cut 3.0\npair_coeff * * 0.01 1.0"
    watch = WATCH.format("record_every 5 energy 1000 dof all\ncompute e all pe/atom")
    dump = "dump 1 all custom 5 dump id type x y z vx vy vz fx fy fz c_e\ndump_modify 1 sort id format float %.17g\n"
    lmp(script(pair, watch, dump + "run 20"))
    found = rows(tmp_path / "record.txt")
    assert header(tmp_path / "record.txt") == {
        "lampion": ["replicas", "1"],
        "units": ["metal"],
        "timestep": ["0.0005"],
        "atoms_per_replica": ["3"],
        "elements": ["O", "H", "H"],
        "columns": ["step", "replica", "pe", "ke", "temperature", "fmax", "dmin", "n_broken", "n_formed"],
    }
    blocks = (tmp_path / "dump").read_text().split("ITEM: TIMESTEP\n")[1:]
    assert len(found) == 3 * len(blocks) == 15
    for frame, block in enumerate(blocks):
        table = np.loadtxt(block.splitlines()[8:]).reshape(3, 3, -1)
        for replica, atoms in enumerate(table):
            row = found[3 * frame + replica]
            assert (int(row["step"]), int(row["replica"])) == (5 * frame, replica + 1)
            assert (row["n_broken"], row["n_formed"]) == ("0", "0")
            x, v, f = atoms[:, 2:5], atoms[:, 5:8], atoms[:, 8:11]
            mass = np.array([15.999, 1.008, 1.008])  # g/mol
            kinetic = 0.5 * (mass @ (v**2).sum(1)) * 1.0364269656262175e-4
            distances = [np.linalg.norm(x[a] - x[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
            expected = {
                "pe": atoms[:, 11].sum(),
                "ke": kinetic,
                "temperature": 2 * kinetic / (9 * units.kB),
                "fmax": np.linalg.norm(f, axis=1).max(),
                "dmin": min(distances),
            }
            for name, value in expected.items():
                assert float(row[name]) == pytest.approx(value, rel=2e-5), name


def test_kick_and_lost_energy_are_failures(lmp: Lmp, tmp_path: Path) -> None:
    """A velocity set between two runs, and a spring that the energy of the atoms does not hold."""
    box = at_rest(3)
    box.velocities[1, 1, 2] = 50.0
    box.write(tmp_path)
    limit = 0.025  # eV, of the 0.13 eV that the hydrogen starts with
    watch = f"""group slow id 5
group kicked molecule 3
fix slow slow spring/self {stiffness(SLOW)}
{WATCH.format(f"temperature 5000 energy {limit}")}"""
    lmp(script(FREE, watch, "run 37\nvelocity kicked set 80 0 0\nrun 50"))
    amplitude, omega = 50.0 * SLOW / 2 / np.pi, 2 * np.pi / SLOW
    stored = lambda t: 0.5 * stiffness(SLOW) * (amplitude * np.sin(omega * t)) ** 2  # noqa: E731
    step = first(lambda t: stored(t) > limit)
    found = failures(tmp_path / "failed.txt")
    kelvin = 18.015 * 80**2 * 1.0364269656262175e-4 / (3 * units.kB)
    assert found.keys() == {2, 3}
    assert found[2][:5] == (step, step, "energy", 0, 0)
    assert found[2][5] == pytest.approx(-stored(step * DT), rel=0.01)
    assert found[3][:5] == (37, 37, "temperature", 0, 0)
    assert found[3][5] == pytest.approx(kelvin, rel=1e-4)


def test_limits_can_be_switched_off(lmp: Lmp, tmp_path: Path) -> None:
    box, expected = planted()
    box.write(tmp_path)
    watch = FORCES + WATCH.format("force NULL distance NULL break NULL")
    lmp(script(FREE, watch, "run 120", boundary="f f f"))
    assert failures(tmp_path / "failed.txt").keys() == {4, 7}  # lost: that cannot be switched off
    last = {int(row["replica"]): row for row in rows(tmp_path / "record.txt")}
    assert expected.keys() - {4, 7} < last.keys()
    assert (last[8]["n_broken"], last[8]["n_formed"]) == ("0", "1")


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("gradient_only", [False, True], ids=["energy", "gradient"])
def test_only_the_replica_without_numbers_is_taken_out(
    lmp: Lmp, tmp_path: Path, ranks: int, gradient_only: bool
) -> None:
    """One from the start, one later; the other two go on."""
    box = at_rest(4)
    box.positions[1, 2] = box.positions[1, 1] + [0.3, 0, 0]
    line = box.positions[2, 2] - box.positions[2, 1]
    box.velocities[2, 1] = 150.0 * line / np.linalg.norm(line)
    box.velocities[3, :, 1] = 5.0
    box.write(tmp_path)
    manifest = Manifest(3.0, ("H", "O"), 1, "float64")
    save_model(torch.jit.script(lj.Fragile(0.5, gradient_only, strength=0.0)), manifest, tmp_path / "model.pt")
    pair = "pair_style lampion\npair_coeff * * model.pt H O"
    thermo = lmp(script(pair, WATCH.format(""), "run 20"), ranks).thermo()
    step = first(lambda t: np.linalg.norm(line) - 150.0 * t <= 0.5)
    found = failures(tmp_path / "failed.txt")
    assert [(replica, *entry[:3]) for replica, entry in found.items()] == [
        (2, 0, 0, "nonfinite"),
        (3, step, step, "nonfinite"),
    ]
    assert thermo["Atoms"][-1] == 6
    assert thermo["f_watch[1]"][-1] == 2
    assert np.isfinite(thermo["PotEng"][1:]).all()
    last = read(tmp_path / "frames.3.dump", index=-1, format="lammps-dump-text")
    assert np.isfinite(last.positions).all()
    row = rows(tmp_path / "record.txt")[-1]
    assert (row["step"], row["replica"], float(row["dmin"])) == ("20", "4", pytest.approx(0.96))


def test_without_the_watch_the_run_stops(lmp: Lmp, tmp_path: Path) -> None:
    """The control: the same model, nobody to take the replica out."""
    box = at_rest(1)
    box.positions[0, 2] = box.positions[0, 1] + 0.1
    box.write(tmp_path)
    manifest = Manifest(3.0, ("H", "O"), 1, "float64")
    save_model(torch.jit.script(lj.Fragile(0.5, False, strength=0.0)), manifest, tmp_path / "model.pt")
    pair = "pair_style lampion\npair_coeff * * model.pt H O"
    text = script(pair, "", "run 5").replace("f_watch f_watch[*]", "")
    assert "no finite number at step 0" in lmp(text, good=False).output


@pytest.mark.parametrize("ranks", [1, 2])
def test_run_ends_when_all_have_failed(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    box = at_rest(2)
    box.velocities[0, 1, 0] = 100.0
    box.velocities[1, 1, 0] = 200.0
    box.write(tmp_path)
    done = lmp(script(FREE, WATCH.format(""), "run 1000\nprint '=== after'\nrun 1000"), ranks)
    step = long_enough(first(lambda t: 0.96 + 100 * t > 1.6 * OH))
    assert f"Lampion: all 2 replicas have failed, so the run ends at step {step}\n" in done.output
    assert "Loop time of" in done.output.split("=== after")[0]
    assert done.output.count("Loop time of") == 1
    assert len(failures(tmp_path / "failed.txt")) == 2


@pytest.mark.parametrize("ranks", [1, 2])
def test_resumed_run_writes_the_same(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    """Cut off at step 34 and resumed from step 18, during two excursions and right after a failure at step 17."""
    watch = FORCES + WATCH.format("")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder, steps in ((whole, 100), (cut, 34)):
        folder.mkdir()
        planted()[0].write(folder)
        lmp(script(FREE, watch, f"restart 6 save.*\nrun {steps}", boundary="f f f"), folder=folder)
    assert "frames.2.dump" in {path.name for path in cut.iterdir()}  # to be taken back
    again = script(FREE, watch, "run 100 upto").replace("read_data start.data", "read_restart save.18")
    known = ("units ", "boundary ", "atom_style ", "group ")  # they are in the file
    again = "\n".join(line for line in again.splitlines() if not line.startswith(known))
    lmp(again, ranks, folder=cut)
    names = {path.name for path in whole.iterdir() if path.suffix in (".txt", ".dump")}
    assert names == {path.name for path in cut.iterdir() if path.suffix in (".txt", ".dump")}
    assert len(names) == 8
    for name in names:
        assert_same(whole / name, cut / name)


def assert_same(one: Path, other: Path) -> None:
    """Same words, and same numbers to rounding."""
    for mine, theirs in zip(one.read_text().split(), other.read_text().split(), strict=True):
        try:
            assert float(mine) == pytest.approx(float(theirs), rel=1e-6, abs=1e-9)
        except ValueError:
            assert mine == theirs


@pytest.mark.filterwarnings("ignore:No mass column found")
def test_kept_frames_are_the_last_ones(lmp: Lmp, tmp_path: Path) -> None:
    """A free atom leaves a molecule that flies through the walls, so places are known; read by ASE and MDAnalysis."""
    box, expected = planted()
    box.velocities[1] += [-4200.0, -2100.0, 2100.0]
    box.write(tmp_path)
    lmp(script(FREE, FORCES + WATCH.format(""), "run 40"))
    detected = expected[2][1]
    steps = [*range((detected - 1) // 2 * 2 - 4, detected, 2), detected]
    path = tmp_path / "frames.2.dump"
    assert [int(line) for line in re.findall(r"TIMESTEP\n(\d+)", path.read_text())] == steps
    frames = read(path, index=":", format="lammps-dump-text")
    universe = MDAnalysis.Universe(str(path), topology_format="LAMMPSDUMP", format="LAMMPSDUMP", dt=1.0)
    for step, frame, snapshot in zip(steps, frames, universe.trajectory, strict=True):
        places = box.positions[1] + step * DT * box.velocities[1]
        assert frame.get_chemical_symbols() == ["O", "H", "H"]
        np.testing.assert_allclose(frame.positions, places, atol=1e-9)
        np.testing.assert_allclose(snapshot.positions, places, atol=1e-4)


def test_radii_are_those_of_the_analysis() -> None:
    """The plugin's table against ASE's, which the analysis of trajectories uses; one definition of a bond."""
    plugin = Path(__file__).parents[2] / "deploy" / "plugin"
    table = re.findall(r'\{"(\w+)", ([\d.]+)\}', (plugin / "covalent_radii.cpp").read_text())
    assert [name for name, _ in table] == chemical_symbols[1:97]
    np.testing.assert_array_equal([float(radius) for _, radius in table], covalent_radii[1:97])
    assert f"double BOND_FACTOR = {BOND_FACTOR};" in (plugin / "replica_bonds.h").read_text()
