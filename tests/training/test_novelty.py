"""Distances between environments obey the symmetries, vanish on the training set and grow away from it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import argon
import laws
from lampion.training.data.frames import Frames
from lampion.training.data.graphs import Graph, build_graphs
from lampion.training.evaluation import novelty
from lampion.training.evaluation.diverse import farthest_frames
from lampion.training.evaluation.environments import fingerprints
from lampion.training.evaluation.novelty import TrainingSet, novelty_table
from lampion.training.evaluation.predictions import evaluate

CUTOFF = 6.0


def frame(positions, cell, types) -> Frames:
    n = len(types)
    return Frames(
        type_names=("A", "B"), offsets=np.array([0, n]), types=types, positions=positions, cell=cell[None],
        pbc=np.ones((1, 3), dtype=bool), energy=np.zeros(1), forces=np.zeros((n, 3)), step=np.zeros(1, dtype=np.int64),
    )  # fmt: skip


def prints(positions, cell, types) -> np.ndarray:
    graphs = build_graphs(frame(positions, cell, types), laws.CUTOFF, torch.float64)
    return fingerprints(graphs, 2, laws.CUTOFF).numpy()


def graphs_of(frames: Frames) -> list[Graph]:
    return build_graphs(frames, CUTOFF, torch.float64)


@pytest.mark.parametrize("improper", [False, True], ids=["rotation", "rotoinversion"])
def test_fingerprints_do_not_turn(improper):
    positions, cell, types = laws.crystal()
    matrix = laws.random_orthogonal(2, improper=improper)
    expected = prints(positions, cell, types)
    np.testing.assert_allclose(prints(positions @ matrix.T, cell @ matrix.T, types), expected, atol=1e-12)
    assert np.ptp(expected, axis=0).max() > 1e-3  # negative control: they do tell atoms apart


def test_fingerprints_follow_permuted_and_ignore_moved_atoms():
    positions, cell, types = laws.crystal()
    order = np.random.default_rng(0).permutation(len(types))
    expected = prints(positions, cell, types)
    np.testing.assert_allclose(prints(positions[order], cell, types[order]), expected[order], atol=1e-12)
    np.testing.assert_allclose(prints(positions + np.array([0.3, 1.0, -7.0]), cell, types), expected, atol=1e-12)


def test_fingerprints_are_continuous_at_the_cutoff_and_normalised():
    cell, types = 50 * np.eye(3), np.array([0, 1])
    pairs = [prints(np.array([[0.0, 0, 0], [laws.CUTOFF + s, 0, 0]]), cell, types) for s in (-1e-5, 1e-5)]
    np.testing.assert_allclose(*pairs, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(pairs[0], axis=1), 1.0)


def test_training_atoms_are_at_no_distance_and_displaced_ones_farther_and_farther():
    frames = argon.crystal_frames(6)
    training = TrainingSet(graphs_of(frames), 1, CUTOFF)
    rng = np.random.default_rng(3)
    shift = rng.normal(size=frames.positions.shape)
    medians = [
        np.median(training.distances(graphs_of(replace(frames, positions=frames.positions + size * shift))))
        for size in (0.0, 0.05, 0.2, 0.5)
    ]
    assert medians[0] < 1e-6
    assert medians == sorted(medians)
    assert medians[-1] > 2 * training.reach


def test_held_out_frames_are_inside_and_a_dense_crystal_is_outside():
    frames = argon.crystal_frames(20)
    training = TrainingSet(graphs_of(frames.select(range(10))), 1, CUTOFF)
    held_out = frames.select(range(10, 20))
    dense = replace(held_out, positions=0.8 * held_out.positions, cell=0.8 * held_out.cell)
    model = laws.potential("float64")
    tables = []
    for tested in (held_out, dense):
        graphs = graphs_of(tested)
        tables.append(novelty_table(training.distances(graphs), training.reach, evaluate(model, graphs)))
    assert tables[0]["outside"] < 0.1
    assert tables[1]["outside"] > 0.9
    assert sum(b["n_atoms"] for b in tables[0]["bins"]) == tables[0]["n_atoms"] == 320
    assert [b["distance"] for b in tables[0]["bins"]] == sorted(b["distance"] for b in tables[0]["bins"])


def test_an_element_that_was_not_there_is_infinitely_far():
    positions, cell, types = laws.crystal()
    known = build_graphs(frame(positions, cell, np.zeros_like(types)), laws.CUTOFF, torch.float64)
    tested = build_graphs(frame(positions, cell, types), laws.CUTOFF, torch.float64)
    training = TrainingSet(known, 2, laws.CUTOFF)
    distances = training.distances(tested)
    np.testing.assert_array_equal(np.isinf(distances), types == 1)
    assert training.reach is None  # one frame: nothing to compare its atoms with
    table = novelty_table(distances, training.reach, evaluate(laws.potential("float64"), tested))
    assert table["n_of_unseen_elements"] == (types == 1).sum()
    assert table["outside"] is None


def test_large_sets_are_represented_by_a_part(monkeypatch):
    frames = argon.crystal_frames(8)
    full = TrainingSet(graphs_of(frames), 1, CUTOFF)
    monkeypatch.setattr(novelty, "MOST", 100)
    part = TrainingSet(graphs_of(frames), 1, CUTOFF)
    tested = graphs_of(argon.crystal_frames(2, seed=1))
    assert len(part.environments.types) == 100
    assert (part.distances(tested) >= full.distances(tested) - 1e-12).all()


def test_the_most_novel_frames_are_chosen_and_none_that_adds_nothing():
    frames = argon.crystal_frames(6)
    known, (near, far) = frames.select([0, 1, 2]), frames.select([3, 4]).chunks(1)
    far = replace(far, positions=0.7 * far.positions, cell=0.7 * far.cell)
    training = TrainingSet(graphs_of(known), 1, CUTOFF)
    candidates = [*graphs_of(known), *graphs_of(near), *graphs_of(far), *graphs_of(near), *graphs_of(far)]
    assert farthest_frames(candidates, training, 10) == [4, 3]
    assert farthest_frames(candidates, training, 1) == [4]
    assert farthest_frames([], training, 3) == []
