"""What a training starts from: frames, graphs, statistics and the model, from chance or from a checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from lampion.training import finetune
from lampion.training.build import build_model, torch_dtype
from lampion.training.config import LossConfig, TrainConfig
from lampion.training.data import Split, load_split
from lampion.training.errors import DataError
from lampion.training.graphs import Graph, build_graphs
from lampion.training.statistics import DataStatistics


@dataclass(frozen=True)
class Setup:
    """Everything that is made once, before the first step."""

    split: Split
    train_graphs: Sequence[Graph]
    valid_graphs: Sequence[Graph]
    statistics: DataStatistics
    model: nn.Module


def prepare(config: TrainConfig) -> Setup:
    """Read the data and make the model.

    Raises:
        ConfigError, DataError, CheckpointError: from the parts of the configuration.
    """
    start, split = finetune.read_start(config), load_split(config.data)
    if start:
        train, valid, test = (start.renumber(frames) for frames in (split.train, split.valid, split.test))
        split = replace(split, train=train, valid=valid, test=test)
    _require_labels(config.loss, split)
    dtype, cutoff = torch_dtype(config.model), config.model.cutoff
    train_graphs, valid_graphs = (build_graphs(f, cutoff, dtype) for f in (split.train, split.valid))
    statistics = DataStatistics.of(split.train, train_graphs)
    torch.manual_seed(config.seed)
    if start is None:
        model: nn.Module = build_model(config.model, statistics)
    else:
        statistics = start.merge(statistics)
        model = _continued(config, start, statistics, train_graphs)
        statistics = replace(statistics, energy_shift=[float(e) for e in model.shift])  # type: ignore[union-attr]
    finetune.freeze(model, config.finetune)
    return Setup(split, train_graphs, valid_graphs, statistics, model)


def _continued(
    config: TrainConfig, start: finetune.Start, statistics: DataStatistics, graphs: Sequence[Graph]
) -> nn.Module:
    model = build_model(config.model, statistics)
    finetune.load_start(model, start)
    known = 0 if config.finetune.refit_energies else len(start.statistics.type_names)
    free = range(known, len(statistics.type_names))
    if free:
        finetune.fit_energies(model, graphs, free)
    return model


def _require_labels(config: LossConfig, split: Split) -> None:
    """Refuse a weight on labels that are not there: the loss would be NaN from the first step."""
    if config.stress and split.train.stress is None:
        raise DataError(f"loss.stress is {config.stress}, but the frames have no stress; set it to 0")
