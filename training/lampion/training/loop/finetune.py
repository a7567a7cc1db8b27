"""Training that starts from the weights of a checkpoint: all of them, some frozen, elements added."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lampion.training.config.training import FinetuneConfig, TrainConfig
from lampion.training.data.frames import Frames
from lampion.training.errors import ConfigError
from lampion.training.loop.checkpoint import read_checkpoint
from lampion.training.models.build import model_of_checkpoint
from lampion.training.preparation.statistics import DataStatistics


@dataclass(frozen=True)
class Start:
    """A trained model to go on from: its weights and what it knows of its data."""

    path: Path
    weights: dict[str, Tensor]
    statistics: DataStatistics

    def renumber(self, frames: Frames) -> Frames:
        """The same frames with types numbered as in the checkpoint, elements new to it last."""
        return frames.renumbered(self.type_names(frames.type_names))

    def type_names(self, found: Iterable[str]) -> tuple[str, ...]:
        """The checkpoint's types followed by those it does not know."""
        known = self.statistics.type_names
        return (*known, *(name for name in found if name not in known))

    def merge(self, found: DataStatistics) -> DataStatistics:
        """Scales of the checkpoint, which its weights rely on, with the elements and distances of the new data."""
        old = self.statistics
        pairs = old.shortest | found.shortest
        return replace(
            old,
            type_names=found.type_names,
            energy_shift=[*old.energy_shift, *[0.0] * (len(found.type_names) - len(old.type_names))],
            shortest={pair: min(old.shortest.get(pair, d), d) for pair, d in pairs.items()},
            contact=old.contact or min(old.shortest.values(), default=None),
        )


def read_start(config: TrainConfig) -> Start | None:
    """The checkpoint that `finetune.checkpoint` names, none if it names none.

    Raises:
        CheckpointError: it cannot be read.
        ConfigError: `model` is not that of the checkpoint; the first key that differs is named.
    """
    if config.finetune.checkpoint is None:
        return None
    path = Path(config.finetune.checkpoint)
    content: dict[str, Any] = read_checkpoint(path)
    model, earlier, statistics = model_of_checkpoint(content)
    old, new = earlier.model.model_dump(), config.model.model_dump()
    for key in old.keys() | new.keys():
        if key != "dtype" and old.get(key) != new.get(key):
            raise ConfigError(
                f"model.{key} is {new.get(key)}, but {old.get(key)} in the checkpoint {path}; "
                "to go on from it, use its `model` section"
            )
    return Start(path, model.state_dict(), statistics)


def load_start(model: nn.Module, start: Start) -> None:
    """Copy the weights of the checkpoint; a new element starts as the mean of those known.

    Every tensor with one row per type gets a row for each new element.

    Raises:
        ConfigError: a tensor that has another shape; names it.
    """
    weights = {}
    for name, target in model.state_dict().items():
        value = start.weights[name]
        new = target.shape[0] - value.shape[0] if target.dim() else 0
        if new > 0 and target.shape[1:] == value.shape[1:]:
            value = torch.cat([value, value.mean(dim=0, keepdim=True).expand(new, *value.shape[1:])])
        if value.shape != target.shape:
            raise ConfigError(
                f"{start.path}: {name} has the shape {tuple(value.shape)}, the model for these data "
                f"{tuple(target.shape)}; this architecture cannot take new elements"
            )
        weights[name] = value
    model.load_state_dict(weights)


def freeze(model: nn.Module, config: FinetuneConfig) -> None:
    """Take the parameters whose names begin with one of `freeze` out of the training.

    Raises:
        ConfigError: a beginning that no name has, or nothing is left to train.
    """
    names = [name for name, _ in model.named_parameters()]
    for beginning in config.freeze:
        frozen = [name for name in names if name == beginning or name.startswith(f"{beginning}.")]
        if not frozen:
            parts = dict.fromkeys(part for name in names for part in _beginnings(name))
            raise ConfigError(f"finetune.freeze: the model has no '{beginning}'; it has {', '.join(parts)}")
        for name in frozen:
            model.get_parameter(name).requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError("finetune.freeze: every parameter is frozen, so there is nothing to train")


def _beginnings(name: str) -> list[str]:
    """`embedding` of embedding.weight; `layers.0` and `layers.0.mix` of layers.0.mix.weight."""
    parts = name.split(".")
    return [parts[0]] if len(parts) < 3 else [".".join(parts[:2]), ".".join(parts[:3])][: len(parts) - 2]
