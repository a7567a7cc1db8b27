"""Edges that know the way back, graphs padded to equal width, and sums over them without scattering."""

import numpy as np
import pytest
import torch

import laws
from lampion.training.data.graphs import build_graphs, join, pad
from lampion.training.data.neighbors import neighbor_pairs, opposite_edges, vectors_of
from lampion.training.models import edges
from lampion.training.models.predict import predict


@pytest.mark.parametrize("seed", range(10))
def test_opposite_edge_goes_back_the_same_way(seed):
    positions, cell, _ = laws.crystal(2, seed)
    pbc = np.random.default_rng(seed).integers(0, 2, 3).astype(bool)
    index, shifts = neighbor_pairs(positions, cell, pbc, 6.0)
    opposite, vectors = opposite_edges(index, shifts), vectors_of(positions, cell, index, shifts)
    np.testing.assert_array_equal(index[::-1, opposite], index)
    np.testing.assert_allclose(vectors[opposite], -vectors, atol=1e-12)
    np.testing.assert_array_equal(opposite[opposite], np.arange(len(opposite)))


def test_padded_graph_has_the_same_edges_and_equally_many_at_every_node():
    graph = join(build_graphs(laws.boxes(), 4.0, torch.float64)[:])
    padded = pad(graph)
    width = padded.edge_index.shape[1] // len(graph.types)
    assert torch.equal(padded.edge_index[0], torch.arange(len(graph.types)).repeat_interleave(width))
    real = padded.edge_vectors.norm(dim=1) < 4.0
    assert int((~real).sum()) > 0
    assert torch.equal(padded.edge_index[:, real], graph.edge_index)
    assert torch.equal(padded.edge_vectors[real], graph.edge_vectors)
    assert torch.equal(padded.opposite[padded.opposite], torch.arange(len(real)))
    assert pad(padded) is padded


@pytest.mark.parametrize("name", laws.LAYERED)
def test_padded_and_scattered_sums_agree_to_the_second_derivative(name):
    model = laws.LAYERED[name]()
    graph = join(build_graphs(laws.boxes(), laws.CUTOFF, torch.float64)[:])

    def derivatives(graph):
        prediction = predict(model, graph, create_graph=True)
        loss = prediction.forces.square().sum() + prediction.virial.square().sum() + prediction.energy.square().sum()
        gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
        return [*prediction, *(g for g in gradients if g is not None)]

    scattered, padded = derivatives(graph), pad(graph)
    with edges.padded_edges(padded.opposite):
        summed = derivatives(padded)
    for a, b in zip(scattered, summed, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
