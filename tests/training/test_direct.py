"""Forces predicted without an energy: the laws they keep, and the laws they must be caught breaking."""

import numpy as np
import pytest
import torch
from torch import nn

import argon
import laws
from lampion.training.config.training import load_config
from lampion.training.data.frames import Frames
from lampion.training.data.graphs import Graph, build_graphs, join
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.loop import checkpoint
from lampion.training.loop.train import Training
from lampion.training.models.build import model_of_checkpoint
from lampion.training.models.direct import rotation
from lampion.training.models.predict import predict

TOL = laws.TOLERANCE[torch.float64]


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return laws.direct()


def forces(model, positions, cell, types, pbc=True):
    """(n, 3), as the model returns them."""
    index, vectors = laws.neighbor_edges(positions, cell, np.full(3, pbc), laws.CUTOFF)
    return model(torch.from_numpy(types), torch.from_numpy(index), torch.from_numpy(vectors)).detach()


def graph(seed: int, n: int = 2) -> Graph:
    """An unlabelled configuration."""
    positions, cell, types = laws.crystal(n, seed)
    zeros = np.zeros((n**3, 3))
    frames = Frames(
        type_names=("C", "O"),
        offsets=np.array([0, n**3]),
        types=types,
        positions=positions,
        cell=cell[None],
        pbc=np.ones((1, 3), dtype=bool),
        energy=np.ones(1),
        forces=zeros,
        step=np.zeros(1, dtype=np.int64),
    )
    return build_graphs(frames, laws.CUTOFF, torch.float64)[0]


def test_translation_changes_nothing(model):
    positions, cell, types = laws.crystal()
    moved = forces(model, positions + np.array([0.31, -4.2, 1.7]), cell, types)
    torch.testing.assert_close(moved, forces(model, positions, cell, types), rtol=TOL, atol=TOL)


def test_permuted_atoms_have_permuted_forces(model):
    positions, cell, types = laws.crystal()
    order = np.random.default_rng(1).permutation(len(types))
    permuted = forces(model, positions[order], cell, types[order])
    torch.testing.assert_close(permuted, forces(model, positions, cell, types)[order], rtol=TOL, atol=TOL)


def test_distant_copies_do_not_feel_each_other(model):
    positions, cell, types = laws.crystal(2)
    alone = forces(model, positions, 100 * cell, types, pbc=False)
    both = np.concatenate([positions, positions + 50.0])
    pair = forces(model, both, 100 * cell, np.concatenate([types, types]), pbc=False)
    torch.testing.assert_close(pair, torch.cat([alone, alone]), rtol=TOL, atol=TOL)


def test_batch_is_its_frames_one_by_one(model):
    graphs = [graph(seed, n) for seed, n in ((0, 2), (1, 3), (2, 1))]
    batch = predict(model, join(graphs))
    singles = torch.cat([predict(model, one).forces for one in graphs])
    torch.testing.assert_close(batch.forces, singles, rtol=TOL, atol=TOL)
    assert float(batch.energy.abs().max()) == float(batch.virial.abs().max()) == 0.0


def test_forces_do_not_jump_at_the_cutoff(model):
    def at(distance):
        positions = np.array([[0.0, 0, 0], [distance, 0, 0]])
        return forces(model, positions, 50 * np.eye(3), np.array([0, 1]), pbc=False)

    assert float((at(laws.CUTOFF - 1e-5) - at(laws.CUTOFF + 1e-5)).abs().max()) < 1e-9


@pytest.mark.parametrize("improper", [False, True], ids=["rotation", "rotoinversion"])
def test_forces_do_not_turn_with_the_atoms(model, improper):
    """Negative control of the rotation law."""
    positions, cell, types = laws.crystal()
    matrix = laws.random_orthogonal(5, improper=improper)
    before = forces(model, positions, cell, types)
    turned = forces(model, positions @ matrix.T, cell @ matrix.T, types)
    error = (turned - before @ torch.from_numpy(matrix.T)).abs().max() / before.abs().max()
    assert float(error) > 0.1


def test_forces_are_the_gradient_of_no_energy(model):
    """Negative control of F = -dE/dr: second derivatives of an energy commute, ∂F_a/∂r_b = ∂F_b/∂r_a."""
    positions, cell, types = laws.crystal(2)

    def slope(a, b, step=1e-4):
        ends = []
        for sign in (1, -1):
            moved = positions.reshape(-1).copy()
            moved[b] += sign * step
            ends.append(forces(model, moved.reshape(-1, 3), cell, types).reshape(-1)[a])
        return float(ends[0] - ends[1]) / (2 * step)

    first, second = slope(0, 4), slope(4, 0)
    assert abs(first - second) > 0.1 * max(abs(first), abs(second))


def test_momentum_is_not_kept(model):
    positions, cell, types = laws.crystal()
    found = forces(model, positions, cell, types)
    assert float(found.sum(0).abs().max()) > 0.1 * float(found.abs().max())


def test_rotations_are_proper_and_even():
    """Σ R / n and Σ R⊗R / n of evenly spread rotations are 0 and δδ/3."""
    matrices = torch.stack([rotation(index) for index in range(1, 2001)])
    torch.testing.assert_close(matrices @ matrices.mT, torch.eye(3, dtype=torch.float64).expand(2000, 3, 3))
    assert float((torch.linalg.det(matrices) - 1).abs().max()) < 1e-12
    assert float(matrices.mean(0).abs().max()) < 0.01
    second = torch.einsum("nab,ncd->abcd", matrices, matrices) / 2000
    delta = torch.eye(3, dtype=torch.float64)
    assert float((second - torch.einsum("ac,bd->abcd", delta, delta) / 3).abs().max()) < 0.01


def test_training_sees_each_batch_from_another_side_and_evaluation_does_not():
    model, one = laws.direct(), graph(0)
    plain = predict(model, one).forces
    torch.testing.assert_close(predict(model, one).forces, plain, rtol=0, atol=0)
    seen = [predict(model, one, create_graph=True).forces.detach() for _ in range(2)]
    turn = rotation(1)
    expected = model(one.types, one.edge_index, one.edge_vectors @ turn.T) @ turn
    torch.testing.assert_close(seen[0], expected.detach())
    assert float((seen[0] - seen[1]).abs().max()) > 1e-3


def test_interrupted_training_sees_the_same_rotations(tmp_path):
    write_hdf5(argon.crystal_frames(10), tmp_path / "frames.h5")
    settings = {"model": "{architecture: direct, cutoff: 6.0, features: 8, layers: 1}", "loss": "{energy: 0}"}
    config = load_config(argon.write_config(tmp_path, **settings))
    for folder in ("whole", "resumed"):
        Training(config, tmp_path / folder).run(restart=False)
    newest = sorted((tmp_path / "resumed" / "checkpoints").glob("step-*.ckpt"))[-1]
    newest.unlink()  # as if killed after the checkpoint before
    Training(config, tmp_path / "resumed").run(restart=True)
    whole, resumed = (checkpoint.read_checkpoint(tmp_path / folder / "best.ckpt") for folder in ("whole", "resumed"))
    assert int(whole["model"]["draws"]) > 0
    for name, tensor in whole["model"].items():
        torch.testing.assert_close(resumed["model"][name], tensor, rtol=0, atol=0)
    restored, _, _ = model_of_checkpoint(whole)
    assert not restored.conservative
