"""Muon: against a singular value decomposition and torch's own; which parameters it takes; a run resumed."""

import shutil

import pytest
import torch

import argon
from lampion.training.config.training import ModelConfig, OptimizerConfig, load_config
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.loop.checkpoint import newest_valid
from lampion.training.loop.muon import Muon, orthogonal
from lampion.training.loop.optim import make_optimizer, mixing_matrices
from lampion.training.loop.train import Training
from lampion.training.models.build import build_model
from lampion.training.preparation.statistics import DataStatistics


@pytest.fixture
def model():
    torch.manual_seed(0)
    statistics = DataStatistics(
        type_names=["H", "O"], energy_shift=[0.0, 0.0], force_scale=1.0, n_neighbors=8.0, shortest={"H-O": 0.9}
    )
    return build_model(ModelConfig(cutoff=4.0, channels=4, l_max=1, radial_width=4), statistics)


def test_orthogonal_keeps_the_singular_vectors_and_levels_the_values():
    torch.manual_seed(0)
    matrices = torch.randn(5, 8, 12, dtype=torch.float64) * torch.logspace(-6, 6, 5, dtype=torch.float64).view(-1, 1, 1)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    assert values.amax(1).div(values.amin(1)).max() > 4
    turned = left.transpose(1, 2) @ orthogonal(matrices) @ right.transpose(1, 2)
    levelled = turned.diagonal(dim1=1, dim2=2)
    assert 0.5 < float(levelled.min()) <= float(levelled.max()) < 1.3
    assert float((turned - torch.diag_embed(levelled)).abs().max()) < 1e-9


def test_orthogonal_of_nothing_is_nothing():
    assert torch.equal(orthogonal(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))


@pytest.mark.parametrize("shape", [(8, 8), (4, 9), (9, 4)])
def test_steps_equal_those_of_torch_up_to_its_half_precision(shape):
    torch.manual_seed(1)
    start, target = torch.randn(shape), torch.randn(shape)
    ours, theirs = torch.nn.Parameter(start.clone()[None]), torch.nn.Parameter(start.clone())
    optimizers = (
        Muon([ours], 0.01, 0.1),
        torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(5):
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            (parameter - target).square().sum().backward()
            optimizer.step()
    moved = torch.linalg.vector_norm((theirs - start).detach())
    assert float(torch.linalg.vector_norm((ours[0] - theirs).detach()) / moved) < 0.03


def test_a_stack_steps_as_its_matrices_do():
    torch.manual_seed(2)
    stack, gradient = torch.nn.Parameter(torch.randn(3, 4, 6)), torch.randn(3, 4, 6)
    single = [torch.nn.Parameter(matrix.detach().clone()) for matrix in stack]
    stack.grad = gradient
    for matrix, part in zip(single, gradient, strict=True):
        matrix.grad = part.clone()
    Muon([stack], 0.1).step()
    Muon(single, 0.1).step()
    torch.testing.assert_close(stack.detach(), torch.stack([m.detach() for m in single]))


def test_tables_per_type_and_vectors_are_left_to_adam(model):
    matrices = {id(p) for p in mixing_matrices(model)}
    left = [name for name, p in model.named_parameters() if id(p) not in matrices]
    tables = {"order_scale", "radial.receiver", "radial.sender", "radial.basis.frequencies"}
    vectors = {"readout_linear.weight", "readout_hidden.bias", "readout_out.weight"}
    assert {name.split(".", 2)[-1] for name in left[1:]} == tables | vectors
    assert left[0] == "embedding.weight"
    first, second = make_optimizer(OptimizerConfig(method="muon"), model).members
    assert isinstance(second, Muon)
    assert {id(p) for group in second.param_groups for p in group["params"]} == matrices
    assert sum(len(group["params"]) for group in first.param_groups) == len(left)


def test_a_resumed_training_with_muon_ends_with_the_same_weights(tmp_path):
    write_hdf5(argon.crystal_frames(20), tmp_path / "frames.h5")
    argon.write_config(tmp_path, epochs="2", checkpoint_every="11", optimizer="{method: muon}")
    config = load_config(tmp_path / "config.yaml")
    whole = Training(config, tmp_path / "whole")
    whole.run(restart=False)
    assert len(whole.optimizer.members) == 2
    earlier = min((tmp_path / "whole" / "checkpoints").glob("step-*.ckpt"))
    (tmp_path / "part" / "checkpoints").mkdir(parents=True)
    shutil.copy(earlier, tmp_path / "part" / "checkpoints")
    Training(config, tmp_path / "part").run(restart=True)
    expected, found = (newest_valid(tmp_path / name / "checkpoints") for name in ("whole", "part"))
    assert expected["progress"]["step"] == found["progress"]["step"] > int(earlier.stem.split("-")[1])
    for name, value in expected["ema"].items():
        assert torch.equal(value, found["ema"][name]), name
