"""The training loop: it learns, stops on signals, and keeps what it wrote; kills are in `test_kills`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import argon
from lampion.training.config.training import load_config
from lampion.training.data.graphs import build_graphs
from lampion.training.data.hdf5 import read_hdf5, write_hdf5
from lampion.training.errors import CheckpointError, ConfigError
from lampion.training.evaluation.predictions import evaluate
from lampion.training.loop.checkpoint import newest_valid, read_checkpoint, write_checkpoint
from lampion.training.loop.train import Training
from lampion.training.models.build import model_of_checkpoint

TRAIN = """
import sys
from pathlib import Path
from lampion.training.config.training import load_config
from lampion.training.loop.train import InterruptedTrainingError, Training
folder = Path(sys.argv[1])
try:
    Training(load_config(folder / "config.yaml"), folder / "train").run(restart=True)
except InterruptedTrainingError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.fixture
def folder(tmp_path):
    write_hdf5(argon.crystal_frames(20), tmp_path / "frames.h5")
    return tmp_path


def train(folder: Path, *, restart: bool = False) -> Path:
    return Training(load_config(folder / "config.yaml"), folder / "train").run(restart=restart)


def start(folder: Path) -> subprocess.Popen:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen([sys.executable, "-W", "ignore", "-c", TRAIN, str(folder)], env=env, stdout=subprocess.PIPE)


def wait_for_checkpoint(folder: Path, process: subprocess.Popen) -> None:
    limit = time.monotonic() + 60
    while not list((folder / "train" / "checkpoints").glob("step-*.ckpt")):
        assert process.poll() is None, "training ended before its first checkpoint"
        assert time.monotonic() < limit
        time.sleep(0.02)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    content = newest_valid(folder / "train" / "checkpoints")
    return {
        **{f"model.{k}": v for k, v in content["model"].items()},
        **content["ema"],
        "step": content["progress"]["step"],
    }


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)], ids=["SIGTERM", "Ctrl-C"])
def test_signal_saves_and_exits_resumable(folder, number, code):
    argon.write_config(folder, epochs="100000")
    process = start(folder)
    wait_for_checkpoint(folder, process)
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == code
    stopped = int(output.split(b"at step ")[1].split()[0])
    assert weights(folder)["step"] == stopped


def test_training_lowers_the_error_and_reports_it(folder):
    argon.write_config(folder, epochs="25")
    best = train(folder)
    lines = [json.loads(line) for line in (folder / "train" / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 25
    rms = 1e3 * float(np.sqrt((read_hdf5(folder / "frames.h5").forces ** 2).mean()))
    assert lines[-1]["valid_forces_mae_meV_per_A"] < 0.25 * rms
    content = read_checkpoint(best)
    model, config, statistics = model_of_checkpoint(content)
    assert statistics.type_names == ["Ar"]
    assert config.model.cutoff == 6.0
    assert content["valid_errors"]["forces_mae_meV_per_A"] == pytest.approx(
        min(lines, key=lambda line: line["valid_score"])["valid_forces_mae_meV_per_A"]
    )
    assert not model.training
    frames = read_hdf5(folder / "train" / "test.h5")
    found = evaluate(model, build_graphs(frames, config.model.cutoff, torch.float32)).errors
    assert content["test_errors"] == pytest.approx(found)


def test_split_is_disjoint_and_the_test_frames_are_written(folder):
    argon.write_config(folder, epochs="1")
    train(folder)
    frames, test = read_hdf5(folder / "frames.h5"), read_hdf5(folder / "train" / "test.h5")
    assert test.step.tolist() == [18, 19]
    np.testing.assert_array_equal(test.forces, frames.select([18, 19]).forces)


def test_only_two_checkpoints_and_the_best_are_kept(folder):
    argon.write_config(folder)
    train(folder)
    assert len(list((folder / "train" / "checkpoints").iterdir())) == 2
    assert (folder / "train" / "best.ckpt").exists()
    assert not list((folder / "train").rglob("*.tmp"))


def test_patience_stops_early(folder):
    argon.write_config(folder, epochs="50", patience="2", optimizer="{learning_rate: 1.0e-9}")
    train(folder)
    assert len((folder / "train" / "metrics.jsonl").read_text().splitlines()) < 50


def test_stress_and_scheduled_weights_train(folder):
    frames = argon.crystal_frames(20)
    object.__setattr__(frames, "stress", np.zeros((20, 3, 3)))
    write_hdf5(frames, folder / "frames.h5")
    argon.write_config(folder, epochs="1", loss="{energy: [1, 10], stress: 0.1}")
    assert train(folder).exists()


def test_earlier_training_is_not_overwritten(folder):
    argon.write_config(folder, epochs="1")
    train(folder)
    before = (folder / "train" / "best.ckpt").read_bytes()
    with pytest.raises(CheckpointError, match="holds an earlier training; continue it with --restart auto"):
        train(folder)
    assert (folder / "train" / "best.ckpt").read_bytes() == before


def test_resume_with_other_data_or_configuration_is_refused(folder):
    argon.write_config(folder, epochs="1")
    train(folder)
    argon.write_config(folder, epochs="2")
    with pytest.raises(CheckpointError, match="another configuration"):
        train(folder, restart=True)
    argon.write_config(folder, epochs="1")
    write_hdf5(argon.crystal_frames(20, seed=9), folder / "frames.h5")
    with pytest.raises(CheckpointError, match="trained on other data"):
        train(folder, restart=True)


def test_damaged_newest_checkpoint_falls_back_to_the_one_before(folder):
    argon.write_config(folder)
    train(folder)
    older, newest = sorted((folder / "train" / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1000])
    content = newest_valid(folder / "train" / "checkpoints")
    assert content["progress"]["step"] == int(older.stem.split("-")[1])


def test_checkpoint_with_code_in_it_is_not_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    torch.save({"format": "lampion-checkpoint/1", "x": Bomb()}, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        read_checkpoint(tmp_path / "a.ckpt")
    assert not (tmp_path / "exploded").exists()


def test_foreign_and_missing_checkpoints(tmp_path):
    torch.save({"weights": 1}, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match="is not a Lampion checkpoint"):
        read_checkpoint(tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        read_checkpoint(tmp_path / "b.ckpt")


def test_checkpoint_of_another_network_is_refused(folder):
    argon.write_config(folder, epochs="1")
    content = read_checkpoint(train(folder))
    content["ema"]["layers.0.products.factors.weight"] = torch.zeros(2, 3, 4)
    with pytest.raises(CheckpointError, match=r"factors.weight is of shape \(2, 3, 4\) in it and missing here; export"):
        model_of_checkpoint(content)


def test_failed_checkpoint_write_leaves_the_old_one(tmp_path):
    write_checkpoint({"x": 1}, tmp_path / "a.ckpt")
    with pytest.raises(AttributeError, match=r"Can't pickle|Can't get local"):
        write_checkpoint({"x": lambda: None}, tmp_path / "a.ckpt")
    assert read_checkpoint(tmp_path / "a.ckpt")["x"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.ckpt"]


def test_too_few_frames(tmp_path):
    write_hdf5(argon.crystal_frames(3), tmp_path / "frames.h5")
    argon.write_config(tmp_path)
    with pytest.raises(ConfigError, match=r"3 frames cannot be split into train 0.8, valid 0.1 and a rest"):
        train(tmp_path)
