"""`lampion study` of many models: the shipped grid, a tiny one for real, and what it does when it is stopped."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import molecule
from lampion.deploy.modelfile import read_manifest
from lampion.deploy.verify import ExportError
from lampion.pipeline.grid import study as grid_module
from lampion.pipeline.grid.config import load_grid
from lampion.pipeline.grid.learning import why_left_out
from lampion.pipeline.grid.workers import LEDGER, scheduling
from lampion.pipeline.shipped import shipped_path
from lampion.pipeline.stability.config import StabilityConfig
from lampion.pipeline.study import model_form
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.errors import ConfigError, DataError

TINY = {
    "title": "Two tiny models",
    "training": "tiny",
    "grid": {
        "forces_weight": {"key": "loss.forces", "values": [3.0, 30.0]},
        "train_size": {"key": "data.train", "values": [40]},
    },
    "valid_share": 0.2,
    "stability": {"replicas": 2, "steps": 40},
}
TRAINING = {
    "data": {"file": "frames.h5", "test": 10, "split_seed": 1},
    "model": {"architecture": "e3x", "features": 8, "max_degree": 1, "num_iterations": 2, "num_basis_functions": 8},
    "loss": {"energy": 1.0},
    "optimizer": {"warmup_steps": 5},
    "batch_size": 4,
    "threads": 1,
}


def write_study(folder: Path, *, epochs: int = 4, **changes: object) -> Path:
    """A study file beside its training configuration."""
    training = {**TRAINING, "epochs": epochs}
    for name, content in (("studies/tiny.yaml", {**TINY, **changes}), ("configs/tiny.yaml", training)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False))
    return folder / "studies" / "tiny.yaml"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("grid") / "frames.h5"
    write_hdf5(molecule.trajectory(n_frames=60), path)
    return path


def test_the_shipped_grid_is_that_of_the_published_study():
    grid = load_grid("ethanol")
    assert len(grid.models) == len({model.name for model in grid.models}) == 120
    sizes = set()
    for model in grid.models:
        config = grid.train_config(model, Path("frames.h5"))
        assert config.model.architecture == "e3x"
        assert config.data.valid * 5 == config.data.train
        assert config.optimizer.learning_rate == 0.01
        sizes.add(
            (config.data.train, config.batch_size, config.model.features, config.model.cutoff, config.loss.forces)
        )
    assert sizes == {
        (n, b, f, c, w)
        for n in (100, 300, 500, 700, 900)
        for b in (10, 30, 50)
        for f in (32, 64)
        for c in (3.0, 4.0)
        for w in (0.01, 0.1)
    }
    test = grid.stability_config(Path("model.pt"), Path("starts.h5"))
    assert (test.replicas, test.steps, test.femtoseconds, test.relax_fmax, test.relax_steps) == (
        100, 100_000, 1.0, 0.05, 100,
    )  # fmt: skip


def test_the_small_grid_is_a_part_of_it():
    whole, small = load_grid("ethanol"), load_grid("ethanol", small=True)
    assert len(small.models) >= 8
    test = small.stability_config(Path("model.pt"), Path("starts.h5"))
    assert (test.replicas, test.steps) == (100, 20_000)
    for name, axis in small.config.grid.items():
        assert set(axis.values) <= set(whole.config.grid[name].values)


def no_page(*_: object, **__: object) -> None:
    """In place of what writes a page."""


def test_two_models_from_data_to_page(data, tmp_path, lampion, monkeypatch):
    study, out = write_study(tmp_path), tmp_path / "out"
    command = ("study", study, "--data", data, "-o", out)
    monkeypatch.setattr(grid_module, "why_left_out", lambda _: None)  # so few epochs teach little
    monkeypatch.setattr(
        "lampion.pipeline.stability.lab.write_stability_report", no_page
    )  # one per model: takes seconds
    listed = lampion(*command, "--dry-run")
    assert [line.split() for line in listed.out.splitlines()] == [
        ["forces3-train40", "to", "do"],
        ["forces30-train40", "to", "do"],
    ]
    assert not out.exists()

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # stopped in the dynamics of the first model
        patch.setattr(grid_module, "run_stability", stopped)
        assert lampion(*command).code == 130
    assert "forces3-train40                                    begun" in lampion(*command, "--dry-run").out
    trained = (out / "models/forces3-train40/train/best.ckpt").stat().st_mtime_ns

    one = lampion(*command, "--model", "forces3-train40")
    assert one.code == 0, one.err
    assert (out / "models/forces3-train40/train/best.ckpt").stat().st_mtime_ns == trained
    assert not (out / "report.html").exists()

    done = lampion(*command)
    assert done.code == 0, done.err
    assert "2 of 2 models judged, 0 not tested" in done.out
    assert "forces weight (first against last: p = " in done.out
    assert done.out.splitlines()[-1] == str(out / "report.html")
    page = (out / "report.html").read_text()
    for heading in (
        "Survival by forces weight",
        "How often",
        "How soon",
        "Does the test error tell?",
        "Energy, forces",
    ):
        assert heading in page
    with (out / "models.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["forces_weight"], row["train_size"], row["outcome"]) for row in rows] == [
        ("3.0", "40", "judged"),
        ("30.0", "40", "judged"),
    ]
    summary = json.loads((out / "study.json").read_text())
    assert summary["replicas"] == sum(int(row["replicas"]) for row in rows)
    assert summary["by_parameter"].keys() == {"forces_weight"}  # what does not vary is no parameter

    monkeypatch.setattr("lampion.pipeline.grid.report.write_stability_report", no_page)
    outcomes = [out / "models" / row["model"] / "outcome.json" for row in rows]
    times = [path.stat().st_mtime_ns for path in outcomes]
    assert lampion(*command).code == 0
    assert [path.stat().st_mtime_ns for path in outcomes] == times
    changed = write_study(tmp_path, stability={"replicas": 2, "steps": 60})  # another test of the same trainings
    assert lampion("study", changed, "--data", data, "-o", out, "--dry-run").out.count("begun") == 2
    criterion = write_study(tmp_path, stability={"replicas": 2, "steps": 40, "criterion": "gradient"})
    logs = [path.parent / "stability/run/log.lammps" for path in outcomes]
    before = [path.stat().st_mtime_ns for path in logs]
    assert lampion("study", criterion, "--data", data, "-o", out).code == 0  # judged anew, not run anew
    assert [path.stat().st_mtime_ns for path in logs] == before
    for path in outcomes:
        assert json.loads((path.parent / "stability/stability.json").read_text())["definition"]["name"] == "gradient"


def test_models_are_compiled_where_the_study_says_so(data, tmp_path, lampion, monkeypatch):
    study, out, tested = write_study(tmp_path, compiled=True), tmp_path / "out", []
    training = {**TRAINING, "model": {"channels": 4, "layers": 1, "cutoff": 3.0}, "epochs": 1}
    (tmp_path / "configs/tiny.yaml").write_text(yaml.safe_dump(training))

    def stopped(config: StabilityConfig, *_: object, **__: object) -> None:
        tested.append(config.model)
        raise KeyboardInterrupt

    monkeypatch.setattr(grid_module, "why_left_out", lambda _: None)
    monkeypatch.setattr(grid_module, "run_stability", stopped)
    assert lampion("study", study, "--data", data, "-o", out).code == 130
    assert read_manifest(tested[0]).compiled
    stages = json.loads((out / "models/forces3-train40/stages.json").read_text())

    def elsewhere() -> list[str]:
        return ["sse2"]

    monkeypatch.setattr(model_form, "processor", elsewhere)  # what goes on there cannot run code of this machine
    assert lampion("study", study, "--data", data, "-o", out).code == 130
    again = json.loads((out / "models/forces3-train40/stages.json").read_text())
    assert again["train"] == stages["train"]
    assert again["export"]["key"] != stages["export"]["key"]


def test_compiled_models_without_a_compiler_are_refused_before_training(data, tmp_path, lampion, monkeypatch):
    def none() -> str:
        raise ExportError("there is none")

    monkeypatch.setattr(model_form, "compiler", none)
    outcome = lampion("study", write_study(tmp_path, compiled=True), "--data", data, "-o", tmp_path / "out")
    assert (outcome.code, "install g++, or say `compiled: false`" in outcome.err) == (2, True), outcome.err
    assert not (tmp_path / "out/models").exists()


def test_a_model_that_cannot_be_tested_is_a_result_and_the_others_go_on(data, tmp_path, lampion, monkeypatch):
    study, out = write_study(tmp_path), tmp_path / "out"

    def no_minimum(*_: object, **__: object) -> None:
        raise DataError("starts.h5: none of 3 starts relaxed")

    monkeypatch.setattr(grid_module, "run_stability", no_minimum)
    done = lampion("study", study, "--data", data, "-o", out, "--set", "epochs=1")
    assert done.code == 0, done.err
    assert "0 of 2 models judged, 2 not tested" in done.out
    found = json.loads((out / "study.json").read_text())["not_judged"]
    assert list(found.values()) == ["failed: starts.h5: none of 3 starts relaxed"] * 2
    assert not (out / "report.html").exists()
    slow = ("--set", "epochs=3", "--set", "optimizer.learning_rate=1.0e-6", "--model", "forces3-train40")
    assert "left out: under-trained" in lampion("study", study, "--data", data, "-o", out, *slow).out


@pytest.mark.parametrize(
    ("train", "valid", "reason"),
    [
        ([1.0, 0.3, 0.1, 0.05], [1.0, 0.4, 0.3, 0.3], None),
        ([1.0, 0.95, 1.02, 0.9], [1.0, 1.0, 1.0, 1.0], "under-trained: the training loss went from 1 to 0.9 only"),
        ([1.0, 0.3, 0.1, 0.05], [1.0, 0.2, 0.3, 0.5], "over-fitted: the validation error rose from 0.2 to 0.5"),
    ],
)
def test_selection_by_the_learning_curve(tmp_path, train, valid, reason):
    rows = [{"train_loss": t, "valid_score": v} for t, v in zip(train, valid, strict=True)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert why_left_out(tmp_path / "metrics.jsonl") == reason


def test_scheduling_counts_the_processes_of_this_start_that_worked(tmp_path):
    rows = [
        {"begun": 5.0, "seconds": 50.0, "work": 1.0},  # of an earlier start
        {"begun": 10.0, "seconds": 100.0, "work": 97.0},
        {"begun": 10.0, "seconds": 60.0, "work": 59.0},
        {"begun": 10.0, "seconds": 4.0, "work": 0.0},  # came too late to find work
    ]
    (tmp_path / LEDGER).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert scheduling(tmp_path, 10.0) == "scheduling: 2.5 % of 160 s in 2 processes"
    assert scheduling(tmp_path, 11.0) is None


def test_what_is_wrong_with_a_study(data, tmp_path, lampion):
    study = write_study(tmp_path)
    for arguments, message in (
        ((study,), "this study needs data, which Lampion does not download: labelled frames of one molecule"),
        (("ethanol",), "rmd17_ethanol.npz of the revised MD17 set"),
        ((study, "--data", "no.npz"), "no.npz: no such file"),
        ((study, "--data", data, "--small"), "has no section `small`"),
        ((study, "--data", data, "--model", "train7"), "--model train7: the grid has no such model"),
        ((study, "--data", data, "--set", "data.test=30"), "60 frames cannot be split into train 40, valid 8 and 30"),
    ):
        outcome = lampion("study", *arguments, "-o", tmp_path / "out")
        assert (outcome.code, message in outcome.err) == (2, True), outcome.err
    assert "is for studies of many models" in lampion("study", "argon", "--jobs", 2).err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grid": {"x": {"key": "loss.force", "values": [1]}}}, r"model x1: .*loss\.force: unknown key"),
        ({"grid": {"a_b": {"key": "seed", "values": [1]}, "a_c": {"key": "epochs", "values": [1]}}}, "different words"),
        ({"grid": {"x": {"key": "seed", "values": []}}}, r"grid\.x\.values: List should have at least 1 item"),
        ({"stability": {"replica": 3}}, "replica: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_grid_is_refused_before_anything_is_trained(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        load_grid(str(write_study(tmp_path, **change)))


def snakemake(folder: Path, *arguments: str) -> str:
    """Run the shipped workflow; its standard output and error."""
    if shutil.which("snakemake", path=Path(sys.executable).parent) is None:
        pytest.skip("snakemake is not installed: pip install 'lampion[workflow]'")
    binaries = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    flow = shipped_path("studies/ethanol")
    command = [str(binaries / "snakemake"), "-s", str(flow / "Snakefile"), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("profile", ["local", pytest.param("slurm", marks=pytest.mark.slow)])
def test_the_workflow_has_a_job_for_every_model(tmp_path, profile):
    (tmp_path / "ethanol.npz").touch()
    folder = shipped_path(f"studies/ethanol/profiles/{profile}")
    said = snakemake(tmp_path, "--profile", str(folder), "--dry-run", "--config", "data=ethanol.npz")
    counts = dict(
        line.split() for line in said.splitlines() if len(line.split()) == 2 and line[:5] in ("model", "total")
    )
    assert counts == {"model": "120", "total": "122"}
    assert "runs/ethanol/models/train100-batch10-features32-cutoff3-forces0.01/outcome.json" in said


@pytest.mark.slow
def test_the_workflow_runs_two_models_and_writes_the_page(data, tmp_path):
    write_study(tmp_path, epochs=30)  # with fewer nothing is learned, and the models are left out
    config = ("--config", f"data={data}", "study=studies/tiny.yaml", "out=out")
    profile = ("--profile", str(shipped_path("studies/ethanol/profiles/local")))
    assert "2 of 2 models judged" in snakemake(tmp_path, *profile, *config)
    assert (tmp_path / "out/report.html").exists()
    assert "Nothing to be done" in snakemake(tmp_path, *profile, *config)
