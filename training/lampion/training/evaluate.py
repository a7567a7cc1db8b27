"""Errors of a model on labelled graphs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from lampion.training.frames import Floats
from lampion.training.graphs import Graph
from lampion.training.predict import predict


@dataclass(frozen=True)
class Parity:
    """Labels and predictions side by side.

    Attributes:
        energy_reference, energy_predicted: (n_frames,) eV/atom.
        forces_reference, forces_predicted: (n_atoms, 3) eV/Å.
    """

    energy_reference: Floats
    energy_predicted: Floats
    forces_reference: Floats
    forces_predicted: Floats

    @property
    def errors(self) -> dict[str, float]:
        """MAE and RMSE: energies in meV/atom over frames, forces in meV/Å over Cartesian components."""
        energy = 1e3 * (self.energy_predicted - self.energy_reference)
        forces = 1e3 * (self.forces_predicted - self.forces_reference)
        return {
            "energy_mae_meV_per_atom": float(np.abs(energy).mean()),
            "energy_rmse_meV_per_atom": float(np.sqrt((energy**2).mean())),
            "forces_mae_meV_per_A": float(np.abs(forces).mean()),
            "forces_rmse_meV_per_A": float(np.sqrt((forces**2).mean())),
        }


def evaluate(model: nn.Module, graphs: Sequence[Graph]) -> Parity:
    """Predict every graph, one frame at a time."""
    predictions = [predict(model, graph) for graph in graphs]
    return Parity(
        energy_reference=np.concatenate([(g.energy / g.n_atoms).numpy() for g in graphs]).astype(np.float64),
        energy_predicted=np.concatenate(
            [(p.energy / g.n_atoms).detach().numpy() for p, g in zip(predictions, graphs, strict=True)]
        ).astype(np.float64),
        forces_reference=np.concatenate([g.forces.numpy() for g in graphs]).astype(np.float64),
        forces_predicted=np.concatenate([p.forces.detach().numpy() for p in predictions]).astype(np.float64),
    )
