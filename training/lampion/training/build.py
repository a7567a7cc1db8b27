"""Models from configuration and data, and from checkpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from lampion.training.config import ModelConfig, TrainConfig
from lampion.training.potential import EquivariantPotential
from lampion.training.statistics import DataStatistics


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
            contact=statistics.contact or min(statistics.shortest.values(), default=0.3 * config.cutoff),
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
