"""Gradients of the training loss with respect to the weights."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lampion.training.data.graphs import Graph
from lampion.training.loop.loss import Penalty, Weights, weighted_loss
from lampion.training.models.predict import predict


class StepErrors(NamedTuple):
    """What one batch tells of the model.

    Attributes:
        loss: the loss of `weighted_loss`.
        energy: mean absolute error, eV/atom.
        forces: mean absolute error of a component, eV/Å.
    """

    loss: Tensor
    energy: Tensor
    forces: Tensor


#: leaves the gradients of one batch in `.grad`; what the training loop calls
Gradients = Callable[[Graph, Weights], StepErrors]


def batch_errors(
    model: nn.Module, graph: Graph, weights: Weights, scale: float, cost: Penalty = torch.square
) -> StepErrors:
    """Loss and mean errors of a batch."""
    prediction = predict(model, graph, create_graph=True)
    loss = weighted_loss(prediction, graph, weights, scale, cost)
    energy = ((prediction.energy - graph.energy).detach() / graph.n_atoms).abs().mean()
    return StepErrors(loss, energy, (prediction.forces - graph.forces).detach().abs().mean())


def eager_gradients(
    model: nn.Module, graph: Graph, weights: Weights, scale: float, cost: Penalty = torch.square
) -> StepErrors:
    """Leave d loss / d weight in `.grad` of every parameter: the reference every faster step has to equal."""
    errors = batch_errors(model, graph, weights, scale, cost)
    errors.loss.backward()
    return errors._replace(loss=errors.loss.detach())
