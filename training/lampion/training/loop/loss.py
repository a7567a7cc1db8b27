"""Training loss: weighted mean errors of energy, forces and stress in units of the data's force scale."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from lampion.training.config.training import LossConfig
from lampion.training.data.graphs import Graph
from lampion.training.loop.optim import scheduled_weight
from lampion.training.models.predict import Prediction

#: what an error costs, element by element; errors are dimensionless
Penalty = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Weights:
    """Loss weights at one moment of the training; tensors where a training step is traced."""

    energy: float | Tensor
    forces: float | Tensor
    stress: float | Tensor

    def of_share(self, frames: float, atoms: float) -> "Weights":
        """Weights of a part of a batch that holds these shares of its frames and atoms: the parts' losses add up."""
        return Weights(self.energy * frames, self.forces * atoms, self.stress * frames)


def weights_at(config: LossConfig, progress: float) -> Weights:
    """Weights at a progress of 0 (start) to 1 (end)."""
    return Weights(*(scheduled_weight(w, progress) for w in (config.energy, config.forces, config.stress)))


def penalty(config: LossConfig) -> Penalty:
    """The penalty φ of an error x: `mse` x², `mae` |x|, `huber` x² up to |x| = δ and 2δ|x| - δ² beyond."""
    if config.kind == "huber":
        return partial(_huber, delta=config.delta)
    return torch.square if config.kind == "mse" else torch.abs


def _huber(error: Tensor, delta: float) -> Tensor:
    return 2.0 * torch.nn.functional.huber_loss(error, torch.zeros_like(error), reduction="none", delta=delta)


def _counts(weight: float | Tensor) -> bool:
    return isinstance(weight, Tensor) or weight > 0.0


def weighted_loss(
    prediction: Prediction, graph: Graph, weights: Weights, scale: float, cost: Penalty = torch.square
) -> Tensor:
    """Loss of a batch, dimensionless.

    L = w_E <φ(ΔE / n_atoms s)> + w_F <φ(ΔF / s)> + w_S <φ((W + σV) / n_atoms s)>, averaged over frames or components;
    s is the force scale in eV (per Å). Stress enters as virial per atom, an energy like the first term. A term of
    weight zero is left out, so that its labels may be missing.

    Args:
        prediction: from `predict(..., create_graph=True)`.
        graph: the batch with its labels.
        weights: w_E, w_F, w_S.
        scale: s.
        cost: φ, see `penalty`.
    """
    loss = prediction.forces.new_zeros(())
    if _counts(weights.energy):
        error = ((prediction.energy - graph.energy) / graph.n_atoms).to(loss.dtype)
        loss = loss + weights.energy * cost(error / scale).mean()
    if _counts(weights.forces):
        loss = loss + weights.forces * cost((prediction.forces - graph.forces) / scale).mean()
    if _counts(weights.stress):
        label = -graph.stress * graph.volume.view(-1, 1, 1)
        per_atom = (prediction.virial - label) / graph.n_atoms.view(-1, 1, 1)
        loss = loss + weights.stress * cost(per_atom / scale).mean()
    return loss
