"""Committees: members that differ, one after the other, each resumable."""

import json

import pytest
import torch

import argon
from lampion.training.config.training import load_config
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.errors import CheckpointError, ConfigError, DivergedError
from lampion.training.loop.checkpoint import read_checkpoint
from lampion.training.loop.committee import train_committee
from lampion.training.loop.train import Training

TINY = "{cutoff: 4.0, channels: 2, basis: 4, layers: 1, readout_width: 4}"


class StoppedError(Exception):
    """Raised instead of going on."""


@pytest.fixture
def folder(tmp_path):
    write_hdf5(argon.crystal_frames(20, cells=1), tmp_path / "frames.h5")
    argon.write_config(tmp_path, model=TINY, epochs="1")
    return tmp_path


def test_members_have_their_own_seeds_and_a_stopped_committee_goes_on(folder):
    config = load_config(folder / "config.yaml")

    def stop_at_second(number):
        def report(_record, _epochs):
            if number == 2:
                raise StoppedError("at the second")

        return report

    with pytest.raises(StoppedError, match="at the second"):
        train_committee(config, folder / "c", 3, restart=False, report=stop_at_second)
    assert sorted(path.name for path in (folder / "c").iterdir()) == ["member-1", "member-2"]
    with pytest.raises(CheckpointError, match=r"member-1: holds an earlier training"):
        train_committee(config, folder / "c", 3, restart=False)
    best = train_committee(config, folder / "c", 3, restart=True)
    assert [path.parent.name for path in best] == ["member-1", "member-2", "member-3"]
    assert [json.loads((path.parent / "config.json").read_text())["seed"] for path in best] == [1, 2, 3]
    weights = [read_checkpoint(path)["ema"]["embedding.weight"] for path in best]
    assert not torch.equal(weights[0], weights[1])
    alone = Training(config.model_copy(update={"seed": 2}), folder / "alone").run(restart=False)
    assert torch.equal(read_checkpoint(alone)["ema"]["embedding.weight"], weights[1])


def test_stop_metric_chooses_best(folder):
    config = load_config(folder / "config.yaml", ["stop_on=energy_mae", "epochs=4"])
    best = Training(config, folder / "train").run(restart=False)
    records = [json.loads(line) for line in (folder / "train" / "metrics.jsonl").read_text().splitlines()]
    errors = [record["valid_energy_mae_meV_per_atom"] for record in records]
    assert [record["valid_score"] for record in records] == errors
    kept = read_checkpoint(best)["valid_errors"]
    assert kept["forces_mae_meV_per_A"] == records[errors.index(min(errors))]["valid_forces_mae_meV_per_A"]
    assert kept["energy_mae_meV_per_atom"] <= min(errors)  # the zero of energy is fitted at the end


def test_loss_that_is_no_number_is_not_saved(folder):
    training = Training(load_config(folder / "config.yaml"), folder / "train")
    training.train_graphs[3].forces[0, 0] = torch.nan
    with pytest.raises(DivergedError, match=r"the loss is not a number any more, at or before step \d+; lower"):
        training.run(restart=False)
    assert not (folder / "train" / "best.ckpt").exists()


def test_deterministic_mode_is_switched_on_and_off(folder):
    for setting in (True, False):
        Training(load_config(folder / "config.yaml", [f"deterministic={setting}"]), folder / "train")
        assert torch.are_deterministic_algorithms_enabled() == setting


def test_missing_tensorboard_says_how_to_install_it(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"pip install 'lampion\[track\]'"):
        Training(load_config(folder / "config.yaml", ["tensorboard=true"]), folder / "train")


def test_tensorboard_events_are_written(folder):
    pytest.importorskip("tensorboard")
    Training(load_config(folder / "config.yaml", ["tensorboard=true"]), folder / "train").run(restart=False)
    assert list((folder / "train" / "tensorboard").glob("events*"))
