"""The argon study end to end, small: every file, the verdict, and the dt² law of learned and reference potential."""

import json
import re
import time

import pytest

from lampion.deploy.verify import ExportError
from lampion.pipeline.lmp.runner import run_lammps
from lampion.pipeline.shipped import shipped_path
from lampion.pipeline.study import model_form
from lampion.pipeline.study.config import find_study
from lampion.pipeline.study.study import Study
from timesteps import law_of


@pytest.fixture(scope="session")
def finished(study_file):
    """Folder of the finished study, run by the functions behind `lampion study`."""
    from lampion.pipeline.study.stages import StageRecord, run_stages

    folder = study_file.parent.parent / "runs"
    folder.mkdir()
    record = StageRecord(folder / "stages.json")
    study = Study(find_study(str(study_file)), folder)
    run_stages(study.stages(), record, print)
    study.conclude(record)
    return folder


def test_summary_has_what_a_script_needs(finished):
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["force_mae_meV_per_A"] < 8.0  # of 39 meV/Å, after a few seconds of training
    assert summary["energy_mae_meV_per_atom"] < 1.0
    for side in ("learned", "reference"):
        drift = summary["drift_meV_per_atom_per_ps"][side]
        assert drift["low"] <= drift["value"] <= drift["high"]
    assert 0.0 <= summary["rdf_mae"] < 0.1
    assert {"generate", "train", "export", "learned dynamics"} <= summary["seconds"].keys()


def test_report_and_analysis_are_there(finished):
    page = (finished / "report.html").read_text()
    for title in ("Energy conservation", "The dt² law", "Structure, Ar-Ar", "Learning curve", "Forces", "Energies"):
        assert title in page
    assert json.loads((finished / "analysis.json").read_text())["format"] == "lampion-analysis/1"


@pytest.mark.parametrize("side", ["learned", "reference"])
def test_energy_error_falls_with_the_square_of_the_time_step(finished, side):
    law = json.loads((finished / "analysis.json").read_text())["timestep_law"][side]
    assert law["all_complete"]
    assert len(law["time_step_ps"]) == 4
    assert law["deviation"] < 0.25


def test_run_again_everything_is_up_to_date(finished, study_file, lampion):
    started = time.monotonic()
    outcome = lampion("study", study_file, "-o", finished)
    assert outcome.code == 0
    stages = [line for line in outcome.out.splitlines() if re.match(r"\[\d+/\d+\]", line)]
    assert len(stages) == 15
    assert all(line.endswith("up to date") for line in stages)
    assert outcome.out.splitlines()[-1] == str(finished / "report.html")
    assert time.monotonic() - started < 60


def test_a_compiled_model_is_one_for_this_processor(tmp_path, monkeypatch):
    exports = []
    for extensions in (["avx2"], ["sse2"]):
        monkeypatch.setattr(model_form, "processor", lambda found=extensions: found)
        stages = Study(find_study("water"), tmp_path).stages()
        exports.append(next(stage for stage in stages if stage.name == "export"))
    assert [path.name for path in exports[0].outputs] == ["model.pt2"]
    assert exports[0].parameters != exports[1].parameters


def test_a_compiled_study_without_a_compiler_is_refused_before_it_begins(tmp_path, lampion, monkeypatch):
    def none() -> str:
        raise ExportError("there is none")

    monkeypatch.setattr(model_form, "compiler", none)
    outcome = lampion("study", "aluminium", "-o", tmp_path / "runs")
    assert (outcome.code, "install g++, or say `compiled: false`" in outcome.err) == (2, True), outcome.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("ensemble", ["nvt", "npt"])
def test_md_runs_in_other_ensembles(finished, tmp_path, ensemble):
    result = run_lammps(
        shipped_path("lammps_inputs/argon/md.in"),
        folder=tmp_path / ensemble,
        variables={
            "model": str(finished / "model.pt"),
            "start": str(finished / "reference" / "argon.data"),
            "ensemble": ensemble,
            "steps": 50,
            "every": 10,
        },
        ranks=2,
    )
    assert result.ending.ok, result.ending
    volumes = {row.split()[-1] for row in result.log.read_text().splitlines() if re.match(r"\s+\d+\s+\d", row)}
    assert (len(volumes) > 2) == (ensemble == "npt")


def test_seed_in_breaks_the_law(tmp_path):
    """Negative control: a bare lj/cut has an energy error that no time step removes."""
    script = shipped_path("lammps_inputs/argon/seed.in")
    law = law_of(script, tmp_path, (2, 4, 8, 16), 4000, {"ensemble": "nve", "thermo": 1, "equilibrate": 3000})
    assert law.deviation > 0.5


@pytest.mark.parametrize(
    ("system", "own"),
    [
        ("argon", {"pair_modify"}),
        ("aluminium", {"variable potential"}),
        ("water", {"bond_style", "bond_coeff", "angle_style", "angle_coeff", "special_bonds", "kspace_style"}),
    ],
)
def test_control_run_differs_from_the_learned_one_in_the_potential_alone(system, own):
    learned, reference = (
        shipped_path(f"lammps_inputs/{system}/{name}").read_text() for name in ("md.in", "md-reference.in")
    )
    commands = [
        [line for line in text.splitlines() if line and not line.startswith("#")] for text in (learned, reference)
    ]
    only = [set(a) - set(b) for a, b in (commands, commands[::-1])]
    names = [{" ".join(line.split()[: 1 + line.startswith("variable")]) for line in side} for side in only]
    both = {"pair_style", "pair_coeff"} | (own & {"special_bonds"})
    assert names == [both | {"variable model"}, both | own]
