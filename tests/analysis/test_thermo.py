"""The log: units, time, energies, and every way a run can end."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lampion.analysis.errors import RunError
from lampion.analysis.thermo import read_thermo

from .conftest import ARGON

HEAD = "units metal\nmass 1 39.948\ntimestep 0.002\nfix 1 all nve\nrun 40\n"
TABLE = "   Step          Temp          TotEng         Press     \n" + "".join(
    f" {step} {100 + step} {-20.0 + step} {5 * step}\n" for step in range(0, 50, 10)
)
LOOP = "Loop time of 0.1 on 1 procs for 40 steps with 4 atoms\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "log.lammps"
    path.write_text(text)
    return path


def test_metal_log(tmp_path: Path):
    found = read_thermo(write(tmp_path, HEAD + TABLE + LOOP))
    assert (found.units, found.n_atoms, found.failure, found.elements) == ("metal", 4, None, {1: "Ar"})
    np.testing.assert_allclose(found.time, [0.0, 0.02, 0.04, 0.06, 0.08])
    np.testing.assert_allclose(found.columns["TotEng"], [-20.0, -10.0, 0.0, 10.0, 20.0])
    assert found.time_step == pytest.approx(0.002)


def test_real_units_are_converted(tmp_path: Path):
    """1 kcal/mol = 0.0433641 eV, 1 atm = 1.01325 bar, fs to ps."""
    found = read_thermo(write(tmp_path, HEAD.replace("metal", "real").replace("0.002", "2.0") + TABLE + LOOP))
    assert found.columns["TotEng"][0] == pytest.approx(-20.0 * 0.0433641, rel=1e-5)
    assert found.columns["Press"][2] == pytest.approx(100.0 * 1.01325, rel=1e-5)
    assert found.time[-1] == pytest.approx(0.08)


def test_substituted_variable_is_taken(tmp_path: Path):
    head = HEAD.replace("timestep 0.002", "timestep ${dt}\ntimestep 0.004")
    assert read_thermo(write(tmp_path, head + TABLE + LOOP)).time_step == pytest.approx(0.004)


def test_default_time_step_of_the_units(tmp_path: Path):
    head = HEAD.replace("timestep 0.002\n", "")
    assert read_thermo(write(tmp_path, head + TABLE + LOOP)).time_step == pytest.approx(0.001)
    assert read_thermo(write(tmp_path, head.replace("metal", "real") + TABLE + LOOP)).time_step == pytest.approx(0.001)


def test_time_column_wins(tmp_path: Path):
    table = "Step Time TotEng\n0 0 1\n10 0.5 1\n20 0.6 1\n"
    found = read_thermo(write(tmp_path, HEAD + table + LOOP))
    np.testing.assert_allclose(found.time, [0.0, 0.5, 0.6])


def test_normalised_energies_become_those_of_all_atoms(tmp_path: Path):
    found = read_thermo(write(tmp_path, HEAD.replace("run", "thermo_modify norm yes\nrun") + TABLE + LOOP))
    assert found.columns["TotEng"][0] == pytest.approx(-80.0)


def test_last_run_counts_and_run_zero_does_not(tmp_path: Path):
    other = TABLE.replace("-20.0", "-99.0")
    text = HEAD + other + LOOP + "timestep 0.001\nrun 40\n" + TABLE + LOOP + "run 0\nStep TotEng\n40 20\n" + LOOP
    found = read_thermo(write(tmp_path, text))
    assert found.columns["TotEng"][0] == -20.0
    assert found.time_step == pytest.approx(0.001)
    assert found.failure is None


def test_segments_of_run_every_are_joined(tmp_path: Path):
    rows = TABLE.splitlines(keepends=True)
    half = "Loop time of 0.1 on 1 procs for 20 steps with 4 atoms\n"
    text = HEAD.replace("run 40", 'run 40 every 20 "print x"') + "".join(rows[:4]) + half + rows[0] + "".join(rows[3:])
    found = read_thermo(write(tmp_path, text + half))
    assert list(found.step) == [0, 10, 20, 30, 40]
    assert found.failure is None


@pytest.mark.parametrize(
    ("ending", "expected", "n_rows"),
    [
        ("", "ends after step 40 without `Loop time`", 5),
        (" 50 130 -1", "ends after step 40 without `Loop time`", 5),
        (
            "ERROR: Lost atoms: original 4 current 3 (src/thermo.cpp:494)\nLast input line: run 40\n   ^^^\n",
            "Lost atoms",
            5,
        ),
        ("ERROR: Lost atoms\nFor information see page\n", "after step 40: ERROR: Lost atoms", 5),
        (" 50 nan nan nan\n 60 nan nan nan\n" + LOOP, "NaN or infinite at step 50", 5),
        ("Loop time of 0.1 on 1 procs for 30 steps with 4 atoms\n", "halted after 30 of 40 steps", 5),
    ],
)
def test_a_bad_end_is_named_and_the_rows_before_it_are_kept(tmp_path: Path, ending: str, expected: str, n_rows: int):
    found = read_thermo(write(tmp_path, HEAD + TABLE + ending))
    assert found.failure is not None
    assert expected in found.failure
    assert len(found.step) == n_rows


def test_yaml_and_multi_line_styles(tmp_path: Path, run_lammps: Callable[[Path, str], Path]):
    script = ARGON.format(units="metal", epsilon=0.0103, time_step=0.002, steps=100, fix="nve")
    plain = read_thermo(run_lammps(tmp_path / "one", script) / "log.lammps")
    custom = "custom step temp pe ke etotal press"
    yaml, multi = script.replace("flush yes", "flush yes line yaml"), script.replace(custom, "multi")
    for style, changed in (("yaml", yaml), ("multi", multi)):
        other = read_thermo(run_lammps(tmp_path / style, changed) / "log.lammps")
        assert other.failure is None
        np.testing.assert_allclose(other.columns["TotEng"], plain.columns["TotEng"], atol=6e-5)  # multi: 4 decimals
        cut = (tmp_path / style / "log.lammps").read_text().split("Loop time")[0]
        rows = cut if style == "multi" else cut[: cut.index("\n...\n") + 1]
        unfinished = read_thermo(write(tmp_path, rows))
        assert "without `Loop time`" in str(unfinished.failure)
        assert len(unfinished.step) == 11


@pytest.mark.parametrize(
    ("style", "conserved"),
    [
        ("nvt temp 90 90 0.1", False),
        ("npt temp 90 90 0.1 iso 3 3 1", False),
        ("langevin 90 90 1 7", False),
        ("nve", True),
    ],
)
def test_baths_do_not_conserve_unless_counted(tmp_path: Path, style: str, conserved: bool):
    head = HEAD.replace("all nve", f"all {style}")
    assert read_thermo(write(tmp_path, head + TABLE + LOOP)).is_conserved is conserved
    counted = read_thermo(write(tmp_path, head + TABLE.replace("Temp", "Econserve") + LOOP))
    assert counted.is_conserved
    assert counted.conserved_name == "Econserve"


def test_a_bath_taken_off_before_the_run_does_not_count(tmp_path: Path):
    head = HEAD.replace("run", "fix 2 all nvt temp 90 90 0.1\nunfix 2\nrun")
    assert read_thermo(write(tmp_path, head + TABLE + LOOP)).is_conserved


def test_elements_from_the_names_of_the_model(tmp_path: Path):
    head = HEAD.replace("mass 1 39.948", "pair_coeff * * model.pt C H O")
    assert read_thermo(write(tmp_path, head + TABLE + LOOP)).elements == {1: "C", 2: "H", 3: "O"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no `units` command"),
        (HEAD.replace("metal", "lj") + TABLE + LOOP, "units lj have no Å and no eV"),
        (HEAD, "no `run` with a finite thermo line"),
        (HEAD + TABLE.replace("TotEng", "PotEng") + LOOP, "thermo has no total energy; add `etotal`"),
        (HEAD + "Step TotEng\n0 nan\n10 nan\n" + LOOP, "no `run` with a finite"),
        (HEAD + "Temp Step TotEng\n1 0 5\n2 10 6\n" + LOOP, "let `Step` be their first column"),
    ],
)
def test_logs_that_cannot_be_judged(tmp_path: Path, text: str, message: str):
    with pytest.raises(RunError, match=message) as caught:
        read_thermo(write(tmp_path, text))
    assert caught.value.exit_code == 3
    assert "log.lammps" in str(caught.value)


def test_a_missing_log_is_named(tmp_path: Path):
    with pytest.raises(RunError, match=r"log\.lammps: cannot read the LAMMPS log \(No such file"):
        read_thermo(tmp_path / "log.lammps")
