"""Fine-tuning: it starts where the checkpoint ends, freezes what it is told, and takes in new elements."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import argon
from lampion.training.config.training import load_config
from lampion.training.data.frames import Frames
from lampion.training.data.graphs import build_graphs
from lampion.training.data.hdf5 import read_hdf5, write_hdf5
from lampion.training.errors import CheckpointError, ConfigError
from lampion.training.loop.checkpoint import newest_valid, read_checkpoint
from lampion.training.loop.train import Training
from lampion.training.models.build import model_of_checkpoint
from lampion.training.models.predict import predict

TINY = "{cutoff: 4.0, channels: 2, basis: 4, layers: 1, readout_width: 4, dtype: float64}"
STILL = "{learning_rate: 1.0e-12}"


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A potential trained on argon."""
    folder = tmp_path_factory.mktemp("base")
    write_hdf5(argon.crystal_frames(20, cells=1), folder / "frames.h5")
    argon.write_config(folder, model=TINY)
    return Training(load_config(folder / "config.yaml"), folder / "train").run(restart=False)


def energies(model: torch.nn.Module, frames: Frames) -> np.ndarray:
    graphs = build_graphs(frames, 4.0, torch.float64)
    return np.array([float(predict(model, graph).energy.detach()) for graph in graphs])


def model_of(checkpoint: Path) -> torch.nn.Module:
    return model_of_checkpoint(read_checkpoint(checkpoint))[0]


def tuned(folder: Path, base: Path, frames: Frames, *, freeze: str = "[]", **changes: str) -> Training:
    write_hdf5(frames, folder / "frames.h5")
    refit = changes.pop("refit", "false")
    section = f"{{checkpoint: {base}, freeze: {freeze}, refit_energies: {refit}}}"
    argon.write_config(folder, **{"model": TINY, "finetune": section, "epochs": "1", **changes})
    return Training(load_config(folder / "config.yaml"), folder / "train")


def with_krypton(frames: Frames) -> Frames:
    """Every third atom becomes krypton, which comes first in the list of names."""
    types = np.where(np.arange(len(frames.types)) % 3 == 0, 0, 1)
    return replace(frames, type_names=("Kr", "Ar"), types=types)


def test_it_starts_as_the_checkpoint(tmp_path, base):
    frames = argon.crystal_frames(20, cells=1, seed=3)
    training = tuned(tmp_path, base, frames, optimizer=STILL)
    expected = energies(model_of(base), frames)
    np.testing.assert_allclose(energies(training.model, frames), expected, rtol=1e-12)
    assert training.statistics.force_scale == read_checkpoint(base)["statistics"]["force_scale"]
    best = training.run(restart=False)
    np.testing.assert_allclose(energies(model_of(best), frames), expected, rtol=1e-8)


def test_frozen_parameters_stay_and_the_others_move(tmp_path, base):
    training = tuned(tmp_path, base, argon.crystal_frames(20, cells=1, seed=3), freeze="[embedding, layers.0.radial]")
    training.run(restart=False)
    start, end = read_checkpoint(base)["ema"], newest_valid(tmp_path / "train" / "checkpoints")["model"]
    still = {name for name, value in end.items() if torch.equal(value, start[name])}
    frozen = {name for name in end if name.startswith(("embedding.", "layers.0.radial."))}
    assert frozen <= still
    moved = {name for name, _ in training.model.named_parameters()} - frozen
    assert "layers.0.mix.weight" in moved - still


def test_new_element_leaves_the_old_ones_alone_and_gets_its_energy(tmp_path, base):
    """Labels are what the model itself says of the mixture, plus 0.7 eV for each atom of the new element."""
    mixture = with_krypton(argon.crystal_frames(20, cells=1, seed=3))
    first = tuned(tmp_path, base, mixture, optimizer=STILL)
    assert first.statistics.type_names == ["Ar", "Kr"]
    pure = argon.crystal_frames(4, cells=1, seed=4)
    np.testing.assert_allclose(energies(first.model, pure), energies(model_of(base), pure), rtol=1e-12)
    weight = first.model.embedding.weight
    torch.testing.assert_close(weight[1], weight[0])
    renumbered = replace(mixture, type_names=("Ar", "Kr"), types=1 - mixture.types)
    with torch.no_grad():
        first.model.shift[1] = 0.7
    labelled = replace(mixture, energy=energies(first.model, renumbered))
    (tmp_path / "again").mkdir()
    second = tuned(tmp_path / "again", base, labelled, optimizer=STILL)
    assert float(second.model.shift[1]) == pytest.approx(0.7, abs=1e-9)
    assert float(second.model.shift[0]) == float(model_of(base).shift[0])
    best = second.run(restart=False)
    assert read_checkpoint(best)["statistics"]["type_names"] == ["Ar", "Kr"]
    np.testing.assert_allclose(energies(model_of(best), renumbered), labelled.energy, atol=1e-6)
    assert read_hdf5(tmp_path / "again" / "train" / "test.h5").type_names == ("Ar", "Kr")


def test_other_zero_of_energy_is_refitted_if_asked_for(tmp_path, base):
    frames = argon.crystal_frames(20, cells=1, seed=3)
    frames = replace(frames, energy=energies(model_of(base), frames) + 4 * 12.5)
    before = float(model_of(base).shift[0])
    for refit, moved in (("true", 12.5), ("false", 0.0)):
        (tmp_path / refit).mkdir()
        training = tuned(tmp_path / refit, base, frames, refit=refit)
        assert float(training.model.shift[0]) - before == pytest.approx(moved, abs=1e-9)


def test_resumed_fine_tuning_equals_one_without_a_stop(tmp_path, base):
    ends = []
    for name, stops in (("whole", False), ("stopped", True)):
        (tmp_path / name).mkdir()
        training = tuned(tmp_path / name, base, with_krypton(argon.crystal_frames(20, cells=1)), freeze="[embedding]")
        if stops:
            for _ in range(3):
                training._train_step()
            training._save()
            training = Training(training.config, training.folder)
        training.run(restart=stops)
        ends.append(newest_valid(tmp_path / name / "train" / "checkpoints")["model"])
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_mistakes_name_the_key(tmp_path, base):
    frames = argon.crystal_frames(20, cells=1)
    with pytest.raises(ConfigError, match=r"model\.channels is 3, but 2 in the checkpoint .*best\.ckpt"):
        tuned(tmp_path, base, frames, model=TINY.replace("channels: 2", "channels: 3"))
    with pytest.raises(ConfigError, match=r"finetune\.freeze: the model has no 'layer'; it has embedding, layers\.0, "):
        tuned(tmp_path, base, frames, freeze="[layer]")
    with pytest.raises(ConfigError, match="every parameter is frozen"):
        tuned(tmp_path, base, frames, freeze="[embedding, layers]")
    with pytest.raises(CheckpointError, match=r"none\.ckpt: no such checkpoint"):
        tuned(tmp_path, tmp_path / "none.ckpt", frames)
