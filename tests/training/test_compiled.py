"""The compiled training step against the eager one."""

from functools import partial

import pytest
import torch

import laws
from lampion.training.config.training import LossConfig
from lampion.training.data.graphs import Graph, build_graphs, join
from lampion.training.loop.compiled import CompiledGradients
from lampion.training.loop.gradients import eager_gradients
from lampion.training.loop.loss import Weights, penalty


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    return laws.potential(l_max=1, layers=2, channels=3, basis=4, body_order=2)


@pytest.fixture(scope="module")
def steps(model):
    """The compiled step and the eager one, with a loss of energies, forces and stresses."""
    cost = penalty(LossConfig(kind="huber", delta=0.3))
    model.layers[0].radial.basis.frequencies.requires_grad_(False)
    return CompiledGradients(model, 0.7, cost), partial(eager_gradients, model, scale=0.7, cost=cost)


@pytest.mark.parametrize(
    "chosen", [[0, 1, 2], *(pytest.param(chosen, marks=pytest.mark.slow) for chosen in ([2, 0], [1]))]
)
def test_compiled_step_equals_the_eager_one_for_any_batch(model, steps, chosen):
    graphs = build_graphs(laws.boxes(), laws.CUTOFF, torch.float64)
    graph = labelled(join([graphs[i] for i in chosen]))
    results = []
    for step in steps:
        model.zero_grad()
        errors = step(graph, Weights(1.3, 0.8, 0.5))
        results.append([*errors, *(p.grad for p in model.parameters() if p.grad is not None)])
    assert len(results[0]) == len(results[1]) > 20
    for compiled, eager in zip(*results, strict=True):
        torch.testing.assert_close(compiled, eager, rtol=1e-9, atol=1e-11)
    assert model.layers[0].radial.basis.frequencies.grad is None


def labelled(graph: Graph) -> Graph:
    torch.manual_seed(0)
    graph.forces.normal_()
    graph.stress.normal_()
    return graph
