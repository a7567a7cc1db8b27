"""Kills at any moment, full disks, folders that cannot be written: a training is always resumable, without a loss."""

import csv
import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import argon
import children
from lampion.training.config.training import load_config
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.errors import CheckpointError
from lampion.training.loop.checkpoint import newest_valid, read_checkpoint
from lampion.training.loop.train import InterruptedTrainingError, Training

TINY = {
    "model": "{cutoff: 4.0, channels: 2, basis: 4, layers: 1, readout_width: 4, dtype: float64}",
    "epochs": "5",
    "checkpoint_every": "3",
}


def prepare(folder: Path, **changes: str) -> Path:
    folder.mkdir(exist_ok=True)
    write_hdf5(argon.crystal_frames(20, cells=1), folder / "frames.h5")
    argon.write_config(folder, **{**TINY, **changes})
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training that nothing interrupted."""
    folder = prepare(tmp_path_factory.mktemp("whole") / "run")
    Training(load_config(folder / "config.yaml"), folder / "train").run(restart=False)
    return folder


@pytest.fixture
def folder(tmp_path):
    return prepare(tmp_path / "run")


def outcome(folder: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, float]], dict[str, float]]:
    """Last and best weights, metrics without times, errors on the test frames."""
    content, best = newest_valid(folder / "train" / "checkpoints"), read_checkpoint(folder / "train" / "best.ckpt")
    weights = {
        f"{kind}.{name}": value
        for kind, state in (("model", content["model"]), ("ema", content["ema"]), ("best", best["ema"]))
        for name, value in state.items()
    }
    records = [json.loads(line) for line in (folder / "train" / "metrics.jsonl").read_text().splitlines()]
    return weights, [{k: v for k, v in record.items() if k != "seconds"} for record in records], best["test_errors"]


def require_same(folder: Path, whole: Path) -> None:
    (weights, metrics, errors), (weights0, metrics0, errors0) = outcome(folder), outcome(whole)
    assert metrics == metrics0
    assert errors == errors0
    assert weights.keys() == weights0.keys()
    for name, value in weights0.items():
        assert torch.equal(weights[name], value), name
    with (folder / "train" / "metrics.csv").open() as stream:
        assert [float(row["step"]) for row in csv.DictReader(stream)] == [record["step"] for record in metrics0]
    assert not list((folder / "train").rglob(".*.tmp"))


def random_kill(rng: random.Random) -> children.Sabotage:
    return rng.choice(
        [
            ("killed after cpu seconds", rng.uniform(0.0, 0.3)),
            ("killed at file operation", float(rng.randrange(60))),
            ("killed inside write", float(rng.choice([100, 1000, 10_000, 20_000]))),
        ]
    )


@pytest.mark.parametrize("step", [0, 5])
def test_a_signal_that_kills_the_compiler_of_the_step_too_is_no_failure(folder, whole, step):
    def broken(*signals: signal.Signals) -> Training:
        training = Training(load_config(folder / "config.yaml"), folder / "train")
        own = training.gradients

        def gradients(*arguments):
            if training.step < step:
                return own(*arguments)
            for number in signals:
                signal.raise_signal(number)
            raise RuntimeError("g++ was killed")

        training.gradients = gradients
        return training

    with pytest.raises(InterruptedTrainingError, match=f"stopped at step {step} of"):
        broken(signal.SIGTERM).run(restart=False)
    with pytest.raises(RuntimeError, match="was killed"):
        broken().run(restart=True)
    Training(load_config(folder / "config.yaml"), folder / "train").run(restart=True)
    require_same(folder, whole)


def kill_often(folder: Path, whole: Path, kills: int, rng: random.Random) -> None:
    killed = 0
    for _ in range(20 * kills):
        if killed == kills:
            break
        kind = random_kill(rng)
        code = children.finish(children.start(folder, kind))
        assert code <= 0, (kind, (folder / "said-0").read_text())
        killed += code < 0
        if code == 0:  # it got to the end: begin anew
            require_same(folder, whole)
            shutil.rmtree(folder / "train")
        for path in (folder / "train").rglob("*.ckpt"):
            read_checkpoint(path)
    assert killed == kills
    assert children.finish(children.start(folder)) == 0
    require_same(folder, whole)


def test_killed_five_times_and_resumed_equals_uninterrupted(folder, whole):
    kill_often(folder, whole, 5, random.Random(1))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_killed_twenty_times_and_resumed_equals_uninterrupted(folder, whole, seed):
    kill_often(folder, whole, 20, random.Random(seed))


def test_full_disk_is_one_sentence_and_resumable(folder, whole):
    assert children.finish(children.start(folder, ("full disk", 3.0))) == 5
    said = (folder / "said-0").read_text()
    assert said.startswith("StorageError: ")
    assert "cannot be written (File too large); what was saved before is intact" in said
    assert "--restart auto" in said
    kept = [read_checkpoint(path)["progress"]["step"] for path in (folder / "train" / "checkpoints").glob("*.ckpt")]
    assert len(kept) == 2
    assert children.finish(children.start(folder)) == 0
    require_same(folder, whole)


def test_read_only_folder_is_one_sentence(folder):
    assert children.finish(children.start(folder, ("read-only", 0.0))) == 5
    assert "StorageError" in (folder / "said-0").read_text()
    assert "cannot be written (Permission denied)" in (folder / "said-0").read_text()
    (folder / "train").chmod(0o755)
    assert not list((folder / "train").iterdir())


def test_sigterm_saves_that_very_step_and_the_rest_follows(folder, whole):
    assert children.finish(children.start(folder, ("SIGTERM after steps", 7.0))) == 75
    assert newest_valid(folder / "train" / "checkpoints")["progress"]["step"] == 8
    assert "stopped at step 8 of 40; resume: --restart auto" in (folder / "said-0").read_text()
    assert children.finish(children.start(folder)) == 0
    require_same(folder, whole)


def test_checkpoints_that_are_all_damaged_do_not_mean_starting_over(folder):
    assert children.finish(children.start(folder, ("SIGTERM after steps", 7.0))) == 75
    checkpoints = folder / "train" / "checkpoints"
    for path in checkpoints.iterdir():
        path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"damaged.*no older one is left; to start again, remove"):
        newest_valid(checkpoints)


REAL_DISK = """
import resource, subprocess, sys
from pathlib import Path
mount, folder = Path(sys.argv[1]), Path(sys.argv[2])
mount.mkdir()
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(mount)], check=True)
(folder / "train").symlink_to(mount)
(mount / "other").write_bytes(bytes(330_000))
import children
first = children.finish(children.start(folder))
(mount / "other").unlink()
print("codes", first, (folder / "said-0").read_text(), children.finish(children.start(folder)))
"""


@pytest.mark.slow
def test_disk_that_is_really_full(folder, tmp_path):
    """A file system of 400 kB, mounted in a name space of the test's own."""
    command = ["unshare", "--map-root-user", "--mount", sys.executable, "-W", "ignore", "-c", REAL_DISK]
    if subprocess.run([*command[:3], "true"], capture_output=True).returncode:
        pytest.skip("no user name spaces on this machine")
    paths = [str(tmp_path / "disk"), str(folder)]
    found = subprocess.run([*command, *paths], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert "codes 5 StorageError" in found.stdout, found.stderr
    assert "No space left on device" in found.stdout
    assert found.stdout.rstrip().endswith(" 0")
