"""After the last epoch: the zero of energy is fitted to training frames, if the validation frames agree."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import argon
from lampion.training.config.training import load_config
from lampion.training.data.frames import Frames
from lampion.training.data.graphs import GraphSet, build_graphs
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.evaluation.predictions import Parity, evaluate
from lampion.training.loop.checkpoint import read_checkpoint, write_checkpoint
from lampion.training.loop.train import Training
from lampion.training.loop.validation import finish
from lampion.training.models.build import model_of_checkpoint

CUTOFF = 4.0
TINY = "{cutoff: 4.0, channels: 2, basis: 4, layers: 1, readout_width: 4, dtype: float64}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finish")
    write_hdf5(argon.crystal_frames(20, cells=1), folder / "frames.h5")
    argon.write_config(folder, model=TINY, epochs="2")
    return Training(load_config(folder / "config.yaml"), folder / "train").run(restart=False)


def new_frames() -> list[Frames]:
    """To fit to, to agree, and to measure with."""
    return [argon.crystal_frames(6, cells=1, seed=seed) for seed in (1, 2, 3)]


def graphs(frames: Frames) -> GraphSet:
    return build_graphs(frames, CUTOFF, torch.float64)


def shifted(best: Path, folder: Path, valid: Frames, by: float, **data: str) -> Path:
    """The checkpoint of a model whose atoms have so much more energy, eV, and of other settings of the data."""
    content = read_checkpoint(best)
    content["config"]["data"] |= data
    model, _, _ = model_of_checkpoint(content)
    model.shift += by
    path = folder / "best.ckpt"
    write_checkpoint(
        {**content, "ema": model.state_dict(), "valid_errors": evaluate(model, graphs(valid)).errors}, path
    )
    return path


def parity(checkpoint: Path, frames: Frames) -> Parity:
    return evaluate(model_of_checkpoint(read_checkpoint(checkpoint))[0], graphs(frames))


def test_energies_of_the_training_frames_are_right_on_average_and_forces_as_before(trained, tmp_path):
    train, valid, test = new_frames()
    path = shifted(trained, tmp_path, valid, 0.5)
    before = parity(path, train)
    finish(path, graphs(train), graphs(valid), test)
    after, content = parity(path, train), read_checkpoint(path)
    assert (after.energy_predicted - after.energy_reference).mean() == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_array_equal(after.forces_predicted, before.forces_predicted)
    assert content["valid_errors"] == pytest.approx(parity(path, valid).errors)
    assert content["test_errors"] == pytest.approx(parity(path, test).errors)


def test_a_second_time_changes_nothing(trained, tmp_path):
    train, valid, test = new_frames()
    path = shifted(trained, tmp_path, valid, 0.5)
    finish(path, graphs(train), graphs(valid), test)
    once = parity(path, test)
    finish(path, graphs(train), graphs(valid), test)
    np.testing.assert_allclose(parity(path, test).energy_predicted, once.energy_predicted, rtol=0, atol=1e-13)


def test_validation_frames_that_disagree_keep_the_energies(trained, tmp_path):
    train, valid, test = new_frames()
    valid = replace(valid, energy=valid.energy + 0.5 * np.diff(valid.offsets))
    path = shifted(trained, tmp_path, valid, 0.5)
    before = parity(path, train)
    finish(path, graphs(train), graphs(valid), test)
    np.testing.assert_array_equal(parity(path, train).energy_predicted, before.energy_predicted)
    assert read_checkpoint(path)["test_errors"] == pytest.approx(parity(path, test).errors)


def test_energies_of_isolated_atoms_are_the_users(trained, tmp_path):
    train, valid, test = new_frames()
    path = shifted(trained, tmp_path, valid, 0.5, energies="isolated_atoms")
    before = parity(path, train)
    finish(path, graphs(train), graphs(valid), test)
    np.testing.assert_array_equal(parity(path, train).energy_predicted, before.energy_predicted)
