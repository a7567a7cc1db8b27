"""Whole runs: real ones of LAMMPS, and ones written by hand that must fail."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lampion.analysis import Options, RunError, analyze_run, verdict_table, write_analysis, write_report
from lampion.analysis.criteria import Criterion, format_figure

from .conftest import ARGON

GAS = np.random.default_rng(8).uniform(0.0, 20.0, size=(1, 5, 3)) * np.ones((60, 1, 1))


def row(analysis: dict, name: str) -> Criterion:
    (found,) = [row for row in verdict_table(analysis) if row.name.startswith(name)]
    return found


@pytest.fixture(scope="module")
def judged(argon: dict[str, Path]) -> dict:
    return analyze_run(argon["real"], argon["metal"])


def test_real_argon_passes(judged: dict):
    assert judged["passed"]
    drift = judged["drift_meV_per_atom_per_ps"]["learned"]
    assert drift["low"] < drift["value"] < drift["high"]
    assert abs(drift["value"]) < 0.002
    assert judged["close_pairs"]["learned"]["count"] == 0
    assert judged["close_pairs"]["learned"]["shortest_A"]["Ar-Ar"] == pytest.approx(3.2, abs=0.3)
    assert judged["fragments"]["learned"]["expected"] == {"Ar": 256}
    assert judged["notes"] == judged["learned"]["notes"] == []


def test_units_real_and_metal_give_the_same_physics(judged: dict):
    real, metal = judged["learned"], judged["reference"]
    assert real["duration_ps"] == pytest.approx(2.0, rel=1e-9) == metal["duration_ps"]
    assert real["time_step_ps"] == pytest.approx(0.002, rel=1e-9) == metal["time_step_ps"]
    for key, tolerance in (("temperature_K", 2e-3), ("pressure_bar", 2e-3), ("diffusion_A2_per_ps", 2e-2)):
        assert real[key]["value"] == pytest.approx(metal[key]["value"], rel=tolerance)
    assert real["energy_fluctuation_meV_per_atom"] == pytest.approx(metal["energy_fluctuation_meV_per_atom"], rel=0.05)
    assert judged["rdf_mae"] < 0.002


def test_pressure_is_that_of_the_virial(judged: dict, argon: dict[str, Path]):
    """Mean of the Press column, atm, of the real run."""
    rows = [line.split() for line in (argon["real"] / "log.lammps").read_text().splitlines()]
    press = [float(words[5]) for words in rows if len(words) == 6 and words[0].isdigit()]
    assert len(press) == 101
    assert judged["learned"]["pressure_bar"]["value"] == pytest.approx(np.mean(press) * 1.01325, rel=1e-3)


def test_analysis_is_strict_json(judged: dict, tmp_path: Path):
    write_analysis(judged, tmp_path / "out" / "analysis.json")
    assert json.loads((tmp_path / "out" / "analysis.json").read_text()) == json.loads(json.dumps(judged))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["analysis.json"]


def test_timestep_law_in_lammps(tmp_path: Path, run_lammps: Callable[[Path, str], Path], argon: dict[str, Path]):
    """lj/smooth + shift obeys; lj/cut, whose energy jumps at the cutoff, does not."""
    folders: dict[str, list[Path]] = {"smooth": [], "cut": []}
    for dt in (16, 8, 4):
        script = ARGON.format(units="real", epsilon=0.2378, time_step=dt, steps=4000 // dt, fix="nve")
        script = script.replace("thermo 10", "thermo 1").replace("custom 10", "custom 1000")
        script = script.replace("velocity all create 120", "velocity all create 200")
        folders["smooth"].append(run_lammps(tmp_path / f"smooth-{dt}", script))
        bare = script.replace("lj/smooth 7.0 8.0", "lj/cut 8.0").replace("pair_modify shift yes", "")
        folders["cut"].append(run_lammps(tmp_path / f"cut-{dt}", bare))
    found = analyze_run(argon["real"], timestep_runs=folders["cut"], reference_timestep_runs=folders["smooth"])
    assert found["timestep_law"]["reference"]["deviation"] < 0.25
    assert found["timestep_law"]["learned"]["deviation"] > 0.5
    assert row(found, "dt² law").passed is False
    assert not found["passed"]
    assert row(analyze_run(argon["real"], timestep_runs=folders["smooth"]), "dt² law").passed is True


def test_a_thermostat_is_not_judged_for_drift(tmp_path: Path, run_lammps: Callable[[Path, str], Path]):
    script = ARGON.format(units="metal", epsilon=0.0103, time_step=0.002, steps=600, fix="nvt temp 120 120 0.1")
    found = analyze_run(run_lammps(tmp_path / "nvt", script))
    assert row(found, "Energy drift").passed is None
    assert "fix nvt exchanges energy" in found["learned"]["notes"][0]
    counted = analyze_run(run_lammps(tmp_path / "counted", script.replace("etotal", "etotal econserve")))
    assert row(counted, "Energy drift").passed is True
    assert counted["learned"]["conserved_quantity"] == "Econserve"


def test_an_exploding_run_is_analysed_up_to_its_end(tmp_path: Path, run_lammps: Callable[[Path, str], Path]):
    script = ARGON.format(units="metal", epsilon=0.0103, time_step=0.002, steps=1000, fix="nve")
    found = analyze_run(run_lammps(tmp_path / "run", script.replace("run 1000", "timestep 0.2\nrun 1000")))
    assert not found["passed"]
    assert row(found, "Run complete").passed is False
    assert "ERROR: Lost atoms" in found["learned"]["failure"]
    write_analysis(found, tmp_path / "analysis.json")
    write_report(found, tmp_path / "report.html")
    assert "Not met: Run complete" in (tmp_path / "report.html").read_text()


def test_a_drift_is_seen(write_run: Callable[..., Path]):
    rising = -1.0 + 1e-4 * np.arange(60) + 1e-6 * np.random.default_rng(1).normal(size=60)
    found = analyze_run(write_run(rising, GAS))
    # 1e-4 eV per 10 steps of 1 fs over 5 atoms
    assert found["drift_meV_per_atom_per_ps"]["learned"]["value"] == pytest.approx(2.0, rel=1e-3)
    assert row(found, "Energy drift").passed is False


def test_close_pairs_fail(write_run: Callable[..., Path]):
    frames = GAS.copy()
    frames[40, 1] = frames[40, 0] + [0.5, 0.0, 0.0]
    found = analyze_run(write_run(np.zeros(60), frames))
    assert found["close_pairs"]["learned"]["count"] == 1
    assert found["close_pairs"]["learned"]["first_time_ps"] == pytest.approx(0.4)
    assert row(found, "Pairs too close").passed is False
    assert row(found, "Frames with broken molecules").passed is False
    strict = analyze_run(write_run(np.zeros(60), GAS), options=Options(shortest_pairs={"Ar-Ar": 19.0}))
    assert row(strict, "Pairs too close").passed is False


def test_another_structure_fails(write_run: Callable[..., Path], argon: dict[str, Path]):
    gas = np.random.default_rng(9).uniform(0.0, 20.0, size=(10, 200, 3))
    found = analyze_run(argon["real"], write_run(np.zeros(10), gas))
    assert found["rdf_mae"] > 0.1
    assert row(found, "g(r)").passed is False


def test_a_killed_run_is_named(write_run: Callable[..., Path]):
    found = analyze_run(write_run(np.zeros(60), GAS, ending=""))
    assert row(found, "Run complete") == Criterion(
        "Run complete", "", "the log ends after step 590 without `Loop time`: the run was killed or is still going on",
        "–", "all steps done, all numbers finite", False,
    )  # fmt: skip
    assert found["learned"]["n_atoms"] == 5


def test_nan_in_the_dump_fails_the_run(write_run: Callable[..., Path]):
    folder = write_run(np.zeros(60), GAS)
    dump = folder / "run.dump"
    text = dump.read_text().split("ITEM: TIMESTEP\n")
    text[8] = text[8].replace("\n2 1 ", "\n2 1 nan ", 1)
    dump.write_text("ITEM: TIMESTEP\n".join(text))
    found = analyze_run(folder)
    assert found["learned"]["failure"] == "frame 7 (step 70) of the dump: the position of atom 2 is not finite"
    assert found["learned"]["n_frames"] == 7


def test_figures_that_cannot_be_had_leave_a_note(write_run: Callable[..., Path]):
    folder = write_run(np.zeros(6), GAS[:3])
    found = analyze_run(folder)
    notes = " ".join(found["learned"]["notes"])
    assert "a drift needs at least 20 energies" in notes
    assert "at least 50 frames" in notes
    assert "at least 4 are needed" in " ".join(found["notes"])
    # too little to judge is not a pass
    assert row(found, "Energy drift").passed is False
    assert not found["passed"]


def test_two_time_steps_prove_nothing(write_run: Callable[..., Path]):
    folder = write_run(np.random.default_rng(1).normal(scale=1e-6, size=60), GAS)
    found = analyze_run(folder, timestep_runs=[folder, folder])
    assert row(found, "dt² law").passed is False
    assert "3 or more different time steps" in found["notes"][0]


def test_unknown_elements_leave_fragments_unjudged(write_run: Callable[..., Path]):
    folder = write_run(np.zeros(60), GAS)
    log = folder / "log.lammps"
    log.write_text(log.read_text().replace("mass 1 39.948\n", ""))
    assert row(analyze_run(folder), "Frames with broken").passed is None
    assert row(analyze_run(folder, options=Options(elements=("Ar",))), "Frames with broken").passed is True
    with pytest.raises(RunError, match="Xx is no chemical element"):
        analyze_run(folder, options=Options(elements=("Xx",)))


def test_run_json_travels_along(write_run: Callable[..., Path]):
    folder = write_run(np.zeros(60), GAS)
    (folder / "run.json").write_text('{"input": "md.in"}')
    assert analyze_run(folder)["learned"]["provenance"] == {"input": "md.in"}
    (folder / "run.json").write_text("{")
    with pytest.raises(RunError, match=r"run\.json: not readable as JSON"):
        analyze_run(folder)


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (None, "–"),
        (0.01234, "0.0123"),
        ({"value": 90.314, "low": 89.894, "high": 90.734}, "90.31 ± 0.42"),
        ({"value": 736.4, "low": 726.0, "high": 746.0}, "736 ± 10"),
        ({"value": -1.02e-6, "low": -2.02e-6, "high": -0.02e-6}, "(-1.0 ± 1.0)e-6"),
        ({"value": 0.0, "low": 0.0, "high": 0.0}, "0"),
    ],
)
def test_figures_are_printed_with_two_digits_of_their_error(figure, text: str):
    assert format_figure(figure) == text
