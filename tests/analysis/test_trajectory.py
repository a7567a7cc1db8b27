"""The dump: what is read, what is refused, and where a damaged one is cut."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lampion.analysis.errors import RunError
from lampion.analysis.trajectory import Trajectory, find_dump, read_trajectory

FRAMES = np.random.default_rng(5).uniform(-30.0, 50.0, size=(6, 8, 3))


def read(path: Path, length: float = 1.0) -> Trajectory:
    return read_trajectory(path, length=length, first_step=0, last_step=10**9, elements={1: "Ar"})


@pytest.fixture
def dump(write_run: Callable[..., Path]) -> Path:
    return write_run(np.zeros(6), FRAMES) / "run.dump"


def test_positions_are_wrapped_and_unwrapped(dump: Path):
    found = read(dump)
    assert found.problem is None
    assert list(found.step) == [0, 10, 20, 30, 40, 50]
    assert set(found.labels) == {"Ar"}
    np.testing.assert_allclose(found.unwrapped, FRAMES, atol=1e-4)
    np.testing.assert_allclose(found.universe.trajectory.get_array(), FRAMES % 20.0, atol=1e-4)


def test_lengths_are_converted(dump: Path):
    found = read(dump, length=0.5)
    np.testing.assert_allclose(found.unwrapped, 0.5 * FRAMES, atol=1e-4)
    assert found.universe.dimensions[0] == pytest.approx(10.0)


def test_gzip_reads_the_same(dump: Path):
    packed = dump.with_suffix(".dump.gz")
    packed.write_bytes(gzip.compress(dump.read_bytes()))
    np.testing.assert_array_equal(read(packed).unwrapped, read(dump).unwrapped)


def test_only_the_steps_of_the_run_and_each_once(dump: Path):
    text = dump.read_text()
    dump.write_text(text + text)
    found = read_trajectory(dump, length=1.0, first_step=20, last_step=40, elements={})
    assert list(found.step) == [20, 30, 40]
    assert set(found.labels) == {"type 1"}


def test_open_directions_get_room(dump: Path):
    dump.write_text(dump.read_text().replace("pp pp pp", "pp pp ff"))
    found = read(dump)
    assert found.periodic == (True, True, False)
    assert found.universe.dimensions[:3] == pytest.approx([20.0, 20.0, 120.0])


def test_tilted_boxes_unwrap_as_lammps_does(tmp_path: Path, run_lammps: Callable[[Path, str], Path]):
    script = """
units metal
lattice fcc 5.4
region box prism -1 2 0 3 0 3 1 0.5 0.3
create_box 1 box
create_atoms 1 box
mass 1 39.948
pair_style lj/cut 6.0
pair_coeff 1 1 0.0103 3.405
velocity all create 4000 12
fix 1 all nve
thermo_style custom step etotal
thermo 50
dump d all custom 50 run.dump id type x y z ix iy iz xu yu zu
dump_modify d sort id format float %.9g
run 1000
"""
    path = run_lammps(tmp_path / "run", script) / "run.dump"
    found = read(path)
    lines = path.read_text().split("\n")
    n_atoms, origin = len(found.labels), float(lines[6].split()[0])
    last = np.array([line.split()[8:11] for line in lines[-n_atoms - 1 : -1]], dtype=float)
    assert np.abs(found.unwrapped[-1] - found.universe.trajectory[-1].positions).max() > 10.0  # atoms did cross
    shift = (last - found.unwrapped[-1])[0]
    np.testing.assert_allclose(found.unwrapped[-1] + shift, last, atol=2e-4)
    assert shift[1] == pytest.approx(origin, abs=1e-3)


@pytest.mark.parametrize(
    ("damage", "problem", "n_frames"),
    [
        (lambda text: text[:-40], "ends inside frame 5", 5),
        (lambda text: text[:-1], "ends inside frame 5", 5),
        (lambda text: _replace(text, 3, "3 1 ", "3 1 nan "), r"frame 3 \(step 30\).*atom 3 is not finite", 3),
        (lambda text: _replace(text, 2, "4 1 ", "3 1 "), r"frame 2 \(step 20\).*atom 3 twice", 2),
        (
            lambda text: text.replace("30\nITEM: NUMBER OF ATOMS\n8", "30\nITEM: NUMBER OF ATOMS\n7"),
            "8 in frame 0, 7 in frame 3",
            3,
        ),
        (lambda text: text.replace("ITEM: TIMESTEP\n40", "garbage\n40"), "frame 4 .*does not begin", 4),
        (lambda text: _replace(text, 1, "5 1 ", "5 1 x"), "frame 1 .*cannot be read", 1),
    ],
)
def test_damage_is_named_and_good_frames_are_kept(
    dump: Path, damage: Callable[[str], str], problem: str, n_frames: int
):
    dump.write_text(damage(dump.read_text()))
    found = read(dump)
    assert found.n_frames == n_frames
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(found.problem)


def _replace(text: str, frame: int, old: str, new: str) -> str:
    """Change the line of one frame that begins with `old`."""
    parts = text.split("ITEM: TIMESTEP\n")
    parts[frame + 1] = parts[frame + 1].replace("\n" + old, "\n" + new, 1)
    return "ITEM: TIMESTEP\n".join(parts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("type x y z", "type xs ys zs"), "no column x y z .scaled coordinates are read wrongly"),
        (("ATOMS id", "ATOMS nr"), "no column id"),
        (("ITEM: TIMESTEP\n", "ITEM: UNITS\nmetal\nITEM: TIMESTEP\n"), "dump_modify units yes"),
        (("ITEM: TIMESTEP\n", "ITEM: TIME\n0.0\nITEM: TIMESTEP\n"), "MDAnalysis cannot read"),
        (("ITEM: TIMESTEP", "hello"), "not a LAMMPS text dump"),
        (("BOUNDS pp pp pp", "BOUNDS"), "header of frame 0 is damaged"),
    ],
)
def test_dumps_that_would_be_read_wrongly_are_refused(dump: Path, change: tuple[str, str], message: str):
    dump.write_text(dump.read_text().replace(*change))
    with pytest.raises(RunError, match=message):
        read(dump)


def test_cut_gzip_is_refused(dump: Path):
    packed = dump.with_suffix(".dump.gz")
    packed.write_bytes(gzip.compress(dump.read_bytes())[:-200])
    with pytest.raises(RunError, match="cut while being compressed"):
        read(packed)


def test_one_dump_is_expected(tmp_path: Path):
    with pytest.raises(RunError, match="found none"):
        find_dump(tmp_path)
    for name in ("a.dump", "b.dump.gz"):
        (tmp_path / name).touch()
    with pytest.raises(RunError, match=r"found a.dump, b.dump.gz"):
        find_dump(tmp_path)


def test_empty_dump_is_refused(tmp_path: Path):
    (tmp_path / "run.dump").touch()
    with pytest.raises(RunError, match="not a LAMMPS text dump"):
        read(tmp_path / "run.dump")
