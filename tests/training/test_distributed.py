"""Several processes: the same training as one with the whole batch, and never one that waits for a dead one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import argon
import children
from lampion.training.config.training import load_config
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.loop.checkpoint import newest_valid
from lampion.training.loop.train import Training

TINY = "{cutoff: 4.0, channels: 2, basis: 4, layers: 1, readout_width: 4, dtype: float64}"


def prepare(folder: Path, **changes: str) -> Path:
    """19 frames to train on: with four to a step the last has three, so that one process has one or none."""
    folder.mkdir()
    write_hdf5(argon.crystal_frames(24, cells=1), folder / "frames.h5")
    argon.write_config(folder, **{"model": TINY, "epochs": "3", **changes})
    return folder


def together(folder: Path, **sabotage: children.Sabotage) -> list[int]:
    """Exit codes of two processes, each with its sabotage."""
    port = children.free_port()
    started = [children.start(folder, sabotage.get(f"rank_{rank}"), (rank, 2, port)) for rank in (0, 1)]
    return [children.finish(process) for process in started]


def said(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted(folder.glob("said-*")))


def metrics(folder: Path) -> list[dict[str, float]]:
    records = [json.loads(line) for line in (folder / "train" / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def require_same(folder: Path, whole: Path) -> None:
    found, expected = (newest_valid(f / "train" / "checkpoints") for f in (folder, whole))
    assert found["progress"]["step"] == expected["progress"]["step"]
    for kind in ("model", "ema"):
        for name, value in expected[kind].items():
            torch.testing.assert_close(found[kind][name], value, rtol=1e-10, atol=1e-10, msg=name)
    for record, reference in zip(metrics(folder), metrics(whole), strict=True):
        assert record == pytest.approx(reference, rel=1e-8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One process with four frames to a step."""
    folder = prepare(tmp_path_factory.mktemp("one") / "run", batch_size="4")
    Training(load_config(folder / "config.yaml"), folder / "train").run(restart=False)
    return folder


def test_two_processes_equal_one_with_the_double_batch(tmp_path, whole):
    folder = prepare(tmp_path / "run", batch_size="2")
    assert together(folder) == [0, 0], said(folder)
    require_same(folder, whole)
    assert not list((folder / "train").rglob(".*.tmp"))


def test_signal_to_one_process_stops_both_and_the_rest_follows(tmp_path, whole):
    folder = prepare(tmp_path / "run", batch_size="2")
    assert together(folder, rank_1=("SIGTERM after steps", 6.0)) == [75, 75], said(folder)
    assert newest_valid(folder / "train" / "checkpoints")["progress"]["step"] == 7
    assert together(folder) == [0, 0], said(folder)
    require_same(folder, whole)


def test_process_left_alone_ends_with_a_sentence(tmp_path):
    folder = prepare(tmp_path / "run", batch_size="2")
    codes = together(folder, rank_1=("dies after steps", 6.0))
    assert codes == [75, -9]
    assert "LostProcessError: another process of this training has ended" in (folder / "said-0").read_text()


@pytest.mark.slow
def test_torchrun_with_the_command(tmp_path, whole):
    folder = prepare(tmp_path / "run", batch_size="2")
    scripts = Path(sys.executable).parent
    command = [
        scripts / "torchrun",
        "--nproc-per-node",
        "2",
        scripts / "lampion",
        "train",
        "config.yaml",
        "-o",
        "train",
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    require_same(folder, whole)
