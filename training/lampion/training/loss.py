"""Training loss: weighted mean squared errors of energy, forces and stress in units of the data's force scale."""

from dataclasses import dataclass

from torch import Tensor

from lampion.training.config import LossConfig
from lampion.training.graphs import Graph
from lampion.training.optim import scheduled_weight
from lampion.training.predict import Prediction


@dataclass(frozen=True)
class Weights:
    """Loss weights at one moment of the training; tensors where a training step is traced."""

    energy: float | Tensor
    forces: float | Tensor
    stress: float | Tensor

    @property
    def uses_stress(self) -> bool:
        """Whether the data's stress is needed."""
        return isinstance(self.stress, Tensor) or self.stress > 0.0


def weights_at(config: LossConfig, progress: float) -> Weights:
    """Weights at a progress of 0 (start) to 1 (end)."""
    return Weights(*(scheduled_weight(w, progress) for w in (config.energy, config.forces, config.stress)))


def weighted_loss(prediction: Prediction, graph: Graph, weights: Weights, scale: float) -> Tensor:
    """Loss of a batch, dimensionless.

    L = w_E <(ΔE / n_atoms)²> / s² + w_F <ΔF²> / s² + w_S <((W + σV) / n_atoms)²> / s², averaged over frames or
    components; s is the force scale in eV (per Å). Stress enters as virial per atom, an energy like the first term.

    Args:
        prediction: from `predict(..., create_graph=True)`.
        graph: the batch with its labels.
        weights: w_E, w_F, w_S.
        scale: s.
    """
    energy_error = ((prediction.energy - graph.energy) / graph.n_atoms).to(prediction.forces.dtype)
    loss = weights.energy * energy_error.square().mean() / scale**2
    loss = loss + weights.forces * (prediction.forces - graph.forces).square().mean() / scale**2
    if weights.uses_stress:
        label = -graph.stress * graph.volume.view(-1, 1, 1)
        per_atom = (prediction.virial - label) / graph.n_atoms.view(-1, 1, 1)
        loss = loss + weights.stress * per_atom.square().mean() / scale**2
    return loss
