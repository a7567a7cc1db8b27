"""Loss and batches: against formulas written down in NumPy; limits; every frame once."""

import numpy as np
import pytest
import torch

import argon
from lampion.training.config.training import DataConfig, LossConfig, TrainConfig
from lampion.training.data.graphs import build_graphs, join
from lampion.training.loop.batches import epoch_batches, part_of_step
from lampion.training.loop.loss import Weights, penalty, weighted_loss
from lampion.training.loop.optim import learning_rate, scheduled_weight
from lampion.training.models.predict import Prediction

SCALE = 0.3


@pytest.fixture(scope="module")
def batch():
    """Three frames of argon as one graph, and a prediction that is wrong by random amounts."""
    frames = argon.crystal_frames(3, cells=1)
    object.__setattr__(frames, "stress", np.random.default_rng(1).normal(size=(3, 3, 3)))
    graph = join(build_graphs(frames, 4.0, torch.float64))
    rng = np.random.default_rng(2)
    wrong = {
        name: torch.from_numpy(rng.normal(size=size)) for name, size in (("e", 3), ("f", (12, 3)), ("v", (3, 3, 3)))
    }
    virial = -graph.stress * graph.volume.view(-1, 1, 1)
    return graph, Prediction(graph.energy + wrong["e"], graph.forces + wrong["f"], virial + wrong["v"]), wrong


COSTS = {
    "mse": lambda x: x**2,
    "mae": np.abs,
    "huber": lambda x: np.where(np.abs(x) < 0.5, x**2, np.abs(x) - 0.25),
}


@pytest.mark.parametrize("kind", COSTS)
def test_loss_equals_the_formula(batch, kind):
    graph, prediction, wrong = batch
    found = weighted_loss(prediction, graph, Weights(2.0, 3.0, 5.0), SCALE, penalty(LossConfig(kind=kind, delta=0.5)))
    cost, atoms = COSTS[kind], 4
    expected = (
        2.0 * cost(wrong["e"].numpy() / atoms / SCALE).mean()
        + 3.0 * cost(wrong["f"].numpy() / SCALE).mean()
        + 5.0 * cost(wrong["v"].numpy() / atoms / SCALE).mean()
    )
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_huber_with_a_far_threshold_is_the_mean_square(batch):
    graph, prediction, _ = batch
    weights = Weights(1.0, 1.0, 1.0)
    far = weighted_loss(prediction, graph, weights, SCALE, penalty(LossConfig(kind="huber", delta=1e6)))
    assert float(far) == pytest.approx(float(weighted_loss(prediction, graph, weights, SCALE)), rel=1e-12)


def test_term_without_weight_needs_no_labels(batch):
    graph, prediction, _ = batch
    blind = prediction._replace(energy=torch.full_like(prediction.energy, torch.nan))
    assert torch.isfinite(weighted_loss(blind, graph, Weights(0.0, 1.0, 0.0), SCALE))
    assert torch.isnan(weighted_loss(blind, graph, Weights(1.0, 1.0, 0.0), SCALE))


def test_parts_of_a_batch_add_up_to_it(batch):
    graph, prediction, _ = batch
    frames = argon.crystal_frames(3, cells=1)
    parts = [build_graphs(frames.select(part), 4.0, torch.float64) for part in ([0], [1, 2])]
    weights, total = Weights(2.0, 3.0, 0.0), 0.0
    for graphs, rows, share in ((parts[0], slice(0, 1), 1 / 3), (parts[1], slice(1, 3), 2 / 3)):
        atoms = slice(4 * rows.start, 4 * rows.stop)
        piece = Prediction(prediction.energy[rows], prediction.forces[atoms], prediction.virial[rows])
        total += float(weighted_loss(piece, join(graphs[:]), weights.of_share(share, share), SCALE))
    assert total == pytest.approx(float(weighted_loss(prediction, graph, weights, SCALE)), rel=1e-12)


@pytest.mark.parametrize("wrong", [{"energy": -1.0}, {"forces": (0.0, 1.0)}, {"hessian": (1.0, -1.0)}])
def test_weights_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match=r"should not be negative|should be greater than 0"):
        LossConfig(**wrong)


def test_schedules():
    assert scheduled_weight((1.0, 100.0), 0.5) == pytest.approx(10.0)
    config = TrainConfig(data=DataConfig(file="x.h5")).optimizer
    rates = [learning_rate(config, step, step / 1000, 0) for step in range(1001)]
    assert rates[0] == pytest.approx(config.learning_rate / config.warmup_steps, rel=1e-4)
    assert max(rates) <= config.learning_rate
    assert rates[-1] == pytest.approx(config.learning_rate * config.final_factor)


N_ATOMS = np.random.default_rng(3).integers(1, 30, 101)


def config(**settings: object) -> TrainConfig:
    return TrainConfig(data=DataConfig(file="x.h5"), **settings)


@pytest.mark.parametrize("settings", [{"batch_size": 7}, {"batch_atoms": 60}], ids=["frames", "atoms"])
def test_an_epoch_takes_every_frame_once_in_an_order_of_its_own(settings):
    orders = []
    for epoch in (0, 1):
        batches = epoch_batches(config(**settings), N_ATOMS, epoch)
        orders.append(np.concatenate(batches))
        assert sorted(orders[-1]) == list(range(101))
        again = epoch_batches(config(**settings), N_ATOMS, epoch)
        assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))
    assert not np.array_equal(*orders)


def test_batches_by_atoms_are_full_and_do_not_overflow():
    sizes = N_ATOMS.copy()
    sizes[17] = 500
    batches = epoch_batches(config(batch_atoms=60), sizes, 0)
    atoms = [sizes[batch].sum() for batch in batches]
    assert sorted(atoms)[-1] == 500
    assert [len(batch) for batch, n in zip(batches, atoms, strict=True) if n == 500] == [1]
    assert sorted(atoms)[-2] <= 60
    assert all(n + sizes[after[0]] > 60 for n, after in zip(atoms, batches[1:], strict=False))


def test_bootstrap_takes_one_resample_in_all_epochs_and_another_for_each_seed():
    drawn = {
        (seed, epoch): sorted(np.concatenate(epoch_batches(config(seed=seed, bootstrap=True), N_ATOMS, epoch)))
        for seed in (1, 2)
        for epoch in (0, 1)
    }
    assert drawn[1, 0] == drawn[1, 1]
    assert drawn[1, 0] != drawn[2, 0]
    assert 50 < len(set(drawn[1, 0])) < 78  # 1 - 1/e of 101 is 64


def test_shares_of_the_processes_add_up():
    batches = [np.array([0, 1]), np.array([2])]
    parts = [part_of_step(batches, rank, N_ATOMS) for rank in range(3)]
    assert [len(part.frames) for part in parts] == [2, 1, 0]
    assert sum(part.frame_share for part in parts) == pytest.approx(1.0)
    assert sum(part.atom_share for part in parts) == pytest.approx(1.0)
    assert parts[0].atom_share == N_ATOMS[:2].sum() / N_ATOMS[:3].sum()
