"""`lampion tune`: it finds what is better, survives being killed, shares work, and refuses senseless searches."""

import csv
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

import argon
from lampion.pipeline.locks import FileLock
from lampion.pipeline.tune.space import load_search
from lampion.pipeline.tune.trials import Tuning
from lampion.training.config.training import load_config
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.errors import ConfigError

PATIENCE = 300  # seconds for what takes a few on a machine with nothing else to do
DOUBLE = "{cutoff: 6.0, channels: 2, basis: 4, layers: 1, readout_width: 4, dtype: float64}"
SEARCH = {
    "metric": "valid_forces_mae_meV_per_A",
    "startup_trials": 3,
    "warmup_epochs": 1,
    "space": {
        "model.channels": [2, 3],
        "model.basis": {"low": 4, "high": 6},
        "optimizer.learning_rate": {"low": "1e-4", "high": 0.03, "log": True},
        "loss.energy": [1.0, [1.0, 10.0]],
    },
}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Data, a training configuration and a search, each trial a second or less."""
    write_hdf5(argon.crystal_frames(10, cells=1), tmp_path / "frames.h5")
    argon.write_config(tmp_path, model=DOUBLE, checkpoint_every="2")
    (tmp_path / "search.yaml").write_text(yaml.safe_dump(SEARCH))
    return tmp_path


def arguments(folder: Path, out: str, trials: int) -> list[str]:
    names = [str(folder / "config.yaml"), str(folder / "search.yaml")]
    return ["tune", *names, "--trials", str(trials), "-o", str(folder / out)]


@pytest.fixture
def start(folder) -> Iterator[Callable[..., subprocess.Popen]]:
    """The search in a process of its own, which does not outlive the test."""
    begun = []

    def begin(out: str, trials: int, *more: str) -> subprocess.Popen:
        code = "from lampion.pipeline.cli.main import main; main()"
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        command = [sys.executable, "-W", "ignore", "-c", code, *arguments(folder, out, trials), *more]
        begun.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()  # its workers die with it
        process.communicate()


def wait_for(path: Path, pattern: str, process: subprocess.Popen) -> None:
    limit = time.monotonic() + PATIENCE
    while not list(path.glob(pattern)):
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < limit
        time.sleep(0.02)


def table(folder: Path, out: str) -> list[dict[str, str]]:
    """trials.csv without the times."""
    with (folder / out / "trials.csv").open() as stream:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(stream)]


def test_search_leaves_a_best_configuration_that_trains(lampion, folder):
    outcome = lampion(*arguments(folder, "tune", 7))
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1] == str(folder / "tune" / "best.yaml")
    rows = table(folder, "tune")
    values = {row["trial"]: float(row["value"]) for row in rows if row["state"] == "COMPLETE"}
    best = min(values, key=values.get)
    assert len(rows) == 7
    assert f"best: trial {best}, valid_forces_mae_meV_per_A" in outcome.out
    config = load_config(folder / "tune" / "best.yaml")
    chosen = next(row for row in rows if row["trial"] == best)
    assert config.optimizer.learning_rate == float(chosen["optimizer.learning_rate"])
    assert config.model.channels == int(chosen["model.channels"])
    energy = json.loads(chosen["loss.energy"])
    assert config.loss.energy == (tuple(energy) if isinstance(energy, list) else energy)
    assert config == load_config(folder / "tune" / f"trial-{int(best):04d}" / "config.yaml")
    written = (folder / "tune" / f"trial-{int(best):04d}" / "metrics.jsonl").read_text().splitlines()
    assert values[best] == min(json.loads(line)["valid_forces_mae_meV_per_A"] for line in written)
    assert "8 frames to train on" in lampion("train", folder / "tune" / "best.yaml", "--dry-run").out
    page = (folder / "tune" / "tune.html").read_text()
    assert page.count("<figure>") == 1 + 4
    assert "http" not in page
    # Enough trials are enough: nothing is trained again, and the result stands.
    again = lampion(*arguments(folder, "tune", 7))
    assert again.out.splitlines() == outcome.out.splitlines()[-2:]


def test_hopeless_trials_are_stopped_early_and_never_before_the_warm_up(lampion, folder):
    """A rate of nearly nothing learns nothing, after trials that do."""
    search = {**SEARCH, "space": {"optimizer.learning_rate": [0.03, 1e-9]}, "warmup_epochs": 2, "startup_trials": 2}
    (folder / "search.yaml").write_text(yaml.safe_dump(search))
    argon.write_config(folder, model=DOUBLE, epochs="5")
    assert lampion(*arguments(folder, "tune", 9)).code == 0
    rows = table(folder, "tune")
    pruned = [row for row in rows if row["state"] == "PRUNED"]
    assert pruned
    assert {row["optimizer.learning_rate"] for row in pruned} == {"1e-09"}
    assert {int(row["epochs"]) for row in pruned} == {3}
    best = load_config(folder / "tune" / "best.yaml")
    assert best.optimizer.learning_rate == 0.03


def test_killed_and_continued_equals_uninterrupted(lampion, folder, start):
    assert lampion(*arguments(folder, "whole", 5)).code == 0
    process = start("killed", 5)
    wait_for(folder / "killed" / "trial-0002" / "checkpoints", "step-*.ckpt", process)
    process.kill()
    process.communicate()
    assert len(table(folder, "killed")) < 5, "the search was over before it was killed"
    outcome = lampion(*arguments(folder, "killed", 5))
    assert outcome.code == 0, outcome.err
    for found, expected in zip(table(folder, "killed"), table(folder, "whole"), strict=True):
        assert found.keys() == expected.keys()
        assert float(found.pop("value")) == pytest.approx(float(expected.pop("value")), rel=1e-9)
        assert found == expected


@pytest.mark.parametrize("processes", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_sigterm_stops_every_process_resumable(folder, start, processes):
    argon.write_config(folder, model=DOUBLE, epochs="100000", patience="400")
    process = start("tune", 2, "--processes", str(processes))
    wait_for(folder / "tune", f"trial-000{processes - 1}/checkpoints/step-*.ckpt", process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 75
    assert "Traceback" not in errors.decode()
    held = [FileLock(path) for path in (folder / "tune").glob("trial-*/.lock")]
    assert len(held) == processes
    assert all(lock.acquire(wait=False) for lock in held)  # nobody is left behind


@pytest.mark.slow
def test_two_processes_do_each_trial_once(folder, start):
    process = start("tune", 6, "--processes", "2")
    printed, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors.decode()
    lines = printed.decode().splitlines()
    assert sorted(line.split()[1] for line in lines if line.startswith("trial")) == list("012345")
    assert lines[-1] == str(folder / "tune" / "best.yaml")
    assert len([line for line in lines if line.startswith("best:")]) == 1
    rows = table(folder, "tune")
    assert [row["trial"] for row in rows] == list("012345")
    assert len({json.dumps({k: v for k, v in row.items() if "." in k}) for row in rows}) == 6


def test_a_trial_somebody_works_on_is_left_alone_and_one_left_behind_is_taken(folder):
    tuning, other = (Tuning(folder / "config.yaml", folder / "search.yaml", folder / "tune") for _ in range(2))
    first, second = tuning._claim(5), other._claim(5)
    assert (first.trial.number, second.trial.number) == (0, 1)
    first.lock.release()  # what the kernel does for a process that dies
    taken = other._claim(5)
    assert taken.trial.number == 0
    assert taken.overrides == first.overrides
    assert other._claim(2) is None
    for claim in (second, taken):
        claim.lock.release()


def test_trials_that_fail_are_recorded_and_do_not_end_the_search(lampion, folder, monkeypatch):
    def explode(training, **_options):
        if training.config.model.channels == 3:
            raise RuntimeError("out of memory\nlong story")
        return real(training, **_options)

    from lampion.pipeline.tune.trials import Training

    real = Training.run
    monkeypatch.setattr(Training, "run", explode)
    outcome = lampion(*arguments(folder, "tune", 6))
    assert outcome.code == 0, outcome.err
    failed = [row for row in table(folder, "tune") if row["state"] == "FAIL"]
    assert failed
    assert {row["reason"] for row in failed} == {"RuntimeError: out of memory"}
    assert "failed" not in (folder / "tune" / "best.yaml").read_text()
    monkeypatch.setattr(Training, "run", lambda *_a, **_o: (_ for _ in ()).throw(RuntimeError("no")))
    nothing = lampion(*arguments(folder, "none", 2))
    assert nothing.code == 2
    assert "no trial was trained to its end; the first that failed: RuntimeError: no" in nothing.err


def test_a_diverged_training_is_a_failed_trial(lampion, folder):
    argon.write_config(folder, model=DOUBLE, optimizer="{warmup_steps: 0, clip: 1.0e+300}", epochs="4")
    search = {**SEARCH, "space": {"optimizer.learning_rate": [0.001, 1e200]}}
    (folder / "search.yaml").write_text(yaml.safe_dump(search))
    assert lampion(*arguments(folder, "tune", 5)).code == 0
    failed = [row for row in table(folder, "tune") if row["state"] == "FAIL"]
    assert failed
    assert all("the loss is not a number any more" in row["reason"] for row in failed)


def test_another_search_in_the_folder_is_refused(lampion, folder):
    assert lampion(*arguments(folder, "tune", 1)).code == 0
    (folder / "search.yaml").write_text(yaml.safe_dump({**SEARCH, "seed": 5}))
    outcome = lampion(*arguments(folder, "tune", 2))
    assert outcome.code == 2
    assert "holds a search with another configuration; use another folder (-o)" in outcome.err
    assert not (folder / "tune" / "trial-0001").exists()


def test_no_trial_begins_after_the_time_is_over(lampion, folder):
    outcome = lampion(*arguments(folder, "tune", 3), "--timeout", "0")
    assert outcome.code == 2
    assert "no trial was trained to its end" in outcome.err
    assert not list((folder / "tune").glob("trial-*"))


BAD = {
    "unknown key": ({"space": {"model.chanels": [1, 2]}}, "model.chanels: unknown key. Did you mean model.channels?"),
    "bad value": ({"space": {"model.channels": {"low": 0, "high": 4}}}, "model.channels: Input should be greater"),
    "order": ({"space": {"model.channels": {"low": 4, "high": 2}}}, "low 4 must be smaller than high 2"),
    "log of zero": ({"space": {"optimizer.clip": {"low": 0, "high": 2, "log": True}}}, "starts above 0"),
    "no space": ({"space": {}}, "space is empty"),
    "no choices": ({"space": {"model.channels": []}}, "the list of choices is empty"),
    "data": ({"space": {"data.train": [0.5, 0.8]}}, "trials on different data cannot be compared"),
    "loss": ({"space": {"loss.energy": [1.0, 2.0]}}, "loss.energy changes what valid_score means; set metric"),
    "typo": ({"space": {"model.channels": [1]}, "metrik": "x"}, "metrik: Extra inputs are not permitted"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=list(BAD))
def test_senseless_searches_are_refused(folder, text, message):
    (folder / "search.yaml").write_text(yaml.safe_dump(text))
    with pytest.raises(ConfigError, match=r"search\.yaml: ") as caught:
        load_search(folder / "search.yaml", folder / "config.yaml")
    assert message in str(caught.value)


def test_unknown_metric_is_refused_with_those_there_are(lampion, folder):
    (folder / "search.yaml").write_text(yaml.safe_dump({**SEARCH, "metric": "valid_loss"}))
    outcome = lampion(*arguments(folder, "tune", 1))
    assert outcome.code == 2
    assert "the training writes no valid_loss; it writes valid_score," in outcome.err


def test_missing_extra_says_what_to_install(lampion, folder, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "optuna" else real(name, *a))
    outcome = lampion(*arguments(folder, "tune", 1))
    assert outcome.code == 5
    assert "pip install 'lampion[tune]'" in outcome.err


def test_missing_data_is_named_before_anything_is_trained(lampion, folder):
    (folder / "frames.h5").unlink()
    outcome = lampion(*arguments(folder, "tune", 1))
    assert outcome.code == 3
    assert "frames.h5: no such file" in outcome.err
    assert not (folder / "tune").exists()


def test_the_search_in_the_manual_is_one(folder):
    manual = (Path(__file__).parents[2] / "docs" / "tune.md").read_text()
    (folder / "search.yaml").write_text(manual.split("```yaml\n")[1].split("```")[0])
    search, _ = load_search(folder / "search.yaml", folder / "config.yaml")
    assert set(search.space) == {"model.channels", "model.layers", "optimizer.learning_rate", "loss.energy"}
