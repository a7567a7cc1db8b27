"""Models from configuration and data, and from checkpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from lampion.training.config import ModelConfig, TrainConfig
from lampion.training.frames import Frames, mean_energy_per_type
from lampion.training.graphs import Graph
from lampion.training.potential import EquivariantPotential
from lampion.training.summary import shortest_distances


@dataclass(frozen=True)
class DataStatistics:
    """What a model must know of its training data.

    Attributes:
        type_names: name of each atom type.
        energy_shift: energy per atom of each type, eV.
        force_scale: root mean square of the force components, eV/Å.
        n_neighbors: average number of neighbours within the cutoff.
        shortest: shortest distance per pair of type names, Å.
    """

    type_names: list[str]
    energy_shift: list[float]
    force_scale: float
    n_neighbors: float
    shortest: dict[str, float]

    @classmethod
    def of(cls, frames: Frames, graphs: list[Graph]) -> "DataStatistics":
        """Statistics of training frames and their graphs."""
        return cls(
            type_names=list(frames.type_names),
            energy_shift=[float(e) for e in mean_energy_per_type(frames)],
            force_scale=float(np.sqrt((frames.forces**2).mean())),
            n_neighbors=sum(g.edge_index.shape[1] for g in graphs) / len(frames.types),
            shortest=shortest_distances(frames),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for checkpoints and manifests."""
        return asdict(self)


def torch_dtype(config: ModelConfig) -> torch.dtype:
    """The torch dtype a configuration names."""
    return torch.float64 if config.dtype == "float64" else torch.float32


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(previous)


def build_model(config: ModelConfig, statistics: DataStatistics) -> EquivariantPotential:
    """A model with random weights; constants are made in the model's own dtype, so float64 is exact throughout."""
    with _default_dtype(torch_dtype(config)):
        return EquivariantPotential(
            n_types=len(statistics.type_names),
            cutoff=config.cutoff,
            contact=min(statistics.shortest.values(), default=0.3 * config.cutoff),
            l_max=config.l_max,
            n_channels=config.channels,
            n_layers=config.layers,
            n_basis=config.basis,
            radial_width=config.radial_width,
            body_order=config.body_order,
            readout_width=config.readout_width,
            n_neighbors=max(1.0, statistics.n_neighbors),
            shift=torch.tensor(statistics.energy_shift),
            scale=statistics.force_scale,
        )


def model_of_checkpoint(content: dict[str, Any]) -> tuple[nn.Module, TrainConfig, DataStatistics]:
    """The averaged (EMA) model of a checkpoint, its configuration and data statistics."""
    config = TrainConfig.model_validate(content["config"])
    statistics = DataStatistics(**content["statistics"])
    model = build_model(config.model, statistics)
    model.load_state_dict(content["ema"])
    return model.eval(), config, statistics
