"""Models from configuration and data, and from checkpoints."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lampion.training.config.model import AnyModelConfig, DirectConfig, E3xConfig, MaceConfig, ModelConfig
from lampion.training.config.training import TrainConfig
from lampion.training.errors import CheckpointError
from lampion.training.models.direct import DirectForces
from lampion.training.models.e3x_style import E3xPotential
from lampion.training.models.mace import build_mace
from lampion.training.models.potential import EquivariantPotential
from lampion.training.models.repulsion import ScreenedRepulsion
from lampion.training.preparation.statistics import DataStatistics


def torch_dtype(name: str) -> torch.dtype:
    """The dtype a configuration or a model file names: float32 or float64."""
    return torch.float64 if name == "float64" else torch.float32


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(previous)


def build_model(config: AnyModelConfig, statistics: DataStatistics) -> nn.Module:
    """A model with random weights; constants are made in the model's own dtype, so float64 is exact throughout.

    Every architecture starts from the data's mean energies per type and its force scale.
    """
    with _default_dtype(torch_dtype(config.dtype)):
        match config:
            case MaceConfig():
                return build_mace(config, statistics)
            case E3xConfig():
                return _e3x(config, statistics)
            case DirectConfig():
                return _direct(config, statistics)
        return _equivariant(config, statistics)


def _equivariant(config: ModelConfig, statistics: DataStatistics) -> EquivariantPotential:
    names = statistics.type_names
    return EquivariantPotential(
        n_types=len(names),
        cutoff=config.cutoff,
        contact=_contact(config, statistics),
        l_max=config.l_max,
        l_state=min(config.l_state, config.l_max),
        n_channels=config.channels,
        n_layers=config.layers,
        n_basis=config.basis,
        radial_width=config.radial_width,
        body_order=config.body_order,
        readout_width=config.readout_width,
        n_neighbors=max(1.0, statistics.n_neighbors),
        shift=torch.tensor(statistics.energy_shift),
        scale=statistics.force_scale,
        repulsion=ScreenedRepulsion(names, statistics.shortest) if config.repulsion == "zbl" else None,
    )


def _e3x(config: E3xConfig, statistics: DataStatistics) -> E3xPotential:
    return E3xPotential(
        n_types=len(statistics.type_names),
        cutoff=config.cutoff,
        max_degree=config.max_degree,
        features=config.features,
        num_iterations=config.num_iterations,
        num_basis_functions=config.num_basis_functions,
        n_neighbors=max(1.0, statistics.n_neighbors),
        shift=torch.tensor(statistics.energy_shift),
        scale=statistics.force_scale,
    )


def _direct(config: DirectConfig, statistics: DataStatistics) -> DirectForces:
    return DirectForces(
        n_types=len(statistics.type_names),
        n_features=config.features,
        n_layers=config.layers,
        n_basis=config.basis,
        cutoff=config.cutoff,
        contact=_contact(config, statistics),
        n_neighbors=max(1.0, statistics.n_neighbors),
        scale=statistics.force_scale,
        rotate=config.rotate,
    )


def _contact(config: AnyModelConfig, statistics: DataStatistics) -> float:
    """Shortest distance expected, Å."""
    return statistics.contact or min(statistics.shortest.values(), default=0.3 * config.cutoff)


def model_of_checkpoint(content: dict[str, Any]) -> tuple[nn.Module, TrainConfig, DataStatistics]:
    """The averaged (EMA) model of a checkpoint, its configuration and data statistics.

    Raises:
        CheckpointError: the weights are those of another version's network.
    """
    config = TrainConfig.model_validate(content["config"])
    statistics = DataStatistics(**content["statistics"])
    model = build_model(config.model, statistics)
    _require_fit(model, content["ema"])
    model.load_state_dict(content["ema"])
    return model.eval(), config, statistics


def _require_fit(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    expected = {name: value.shape for name, value in model.state_dict().items()}
    found = {name: value.shape for name, value in weights.items()}
    name = next((name for name in expected | found if expected.get(name) != found.get(name)), None)
    if name:
        raise CheckpointError(
            f"the checkpoint is of another version of this network: {name} is {_shape(found.get(name))} in it and "
            f"{_shape(expected.get(name))} here; export it with the version that trained it, or train anew"
        )


def _shape(shape: torch.Size | None) -> str:
    return "missing" if shape is None else f"of shape {tuple(shape)}"
