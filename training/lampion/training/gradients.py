"""Gradients of the training loss with respect to the weights."""

from typing import NamedTuple

from torch import Tensor, nn

from lampion.training.graphs import Graph
from lampion.training.loss import Weights, weighted_loss
from lampion.training.predict import predict


class StepErrors(NamedTuple):
    """What one batch tells of the model, detached scalars.

    Attributes:
        loss: the loss of `weighted_loss`.
        energy: mean absolute error, eV/atom.
        forces: mean absolute error of a component, eV/Å.
    """

    loss: Tensor
    energy: Tensor
    forces: Tensor


def eager_gradients(model: nn.Module, graph: Graph, weights: Weights, scale: float) -> StepErrors:
    """Leave d loss / d weight in `.grad` of every parameter: the reference every faster step has to equal."""
    prediction = predict(model, graph, create_graph=True)
    loss = weighted_loss(prediction, graph, weights, scale)
    loss.backward()
    energy = ((prediction.energy - graph.energy).detach() / graph.n_atoms).abs().mean()
    return StepErrors(loss.detach(), energy, (prediction.forces - graph.forces).detach().abs().mean())
