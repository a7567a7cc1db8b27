"""What a training starts from: frames, graphs, statistics and the model, from chance or from a checkpoint."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn

from lampion.training.config.training import LossConfig, TrainConfig
from lampion.training.data.graphs import Graph, GraphSet, build_graphs
from lampion.training.errors import ConfigError, DataError
from lampion.training.evaluation.energy_shift import fit_energies
from lampion.training.loop import finetune
from lampion.training.loop.compiled import CompiledGradients
from lampion.training.loop.gradients import Gradients, eager_gradients
from lampion.training.loop.loss import penalty
from lampion.training.models.build import build_model, torch_dtype
from lampion.training.preparation.datasets import Split, load_split
from lampion.training.preparation.statistics import DataStatistics

#: parameters x atoms of all frames of all epochs from which the minute or two of compilation is won back; measured at
#: 0.7, 1.6 and 4.6e10 with 2,432, 65,000 and 255,000 parameters
WORTH_COMPILING = 1e10
#: architectures whose training step can be traced
COMPILABLE = ("equivariant", "e3x")


@dataclass(frozen=True)
class Setup:
    """Everything that is made once, before the first step."""

    split: Split
    train_graphs: GraphSet
    valid_graphs: GraphSet
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
    dtype, cutoff = torch_dtype(config.model.dtype), config.model.cutoff
    train_graphs, valid_graphs = (build_graphs(f, cutoff, dtype) for f in (split.train, split.valid))
    statistics = DataStatistics.of(split.train, train_graphs, None if start else split.energy_shift)
    torch.manual_seed(config.seed)
    if start is None:
        model: nn.Module = build_model(config.model, statistics)
    else:
        statistics = start.merge(statistics)
        model = _continued(config, start, statistics, train_graphs)
        statistics = replace(statistics, energy_shift=[float(e) for e in model.shift])  # type: ignore[union-attr]
    finetune.freeze(model, config.finetune)
    return Setup(split, train_graphs, valid_graphs, statistics, model)


def make_gradients(config: TrainConfig, model: nn.Module, setup: Setup) -> Gradients:
    """The function that leaves the gradients of a batch: compiled where that is faster, eager otherwise.

    `auto` decides by the amount of work alone, so that a resumed training does as the one it continues.

    Raises:
        ConfigError: compilation is asked for and cannot be had.
    """
    scale, cost = setup.statistics.force_scale, penalty(config.loss)
    reason = _why_not_compile(config)
    if config.compile == "always" and reason:
        raise ConfigError(f"compile: always, but {reason}")
    work = config.epochs * len(setup.split.train.types) * sum(p.numel() for p in model.parameters())
    if config.compile == "always" or (config.compile == "auto" and work >= WORTH_COMPILING and not reason):
        return CompiledGradients(model, scale, cost)
    return partial(eager_gradients, model, scale=scale, cost=cost)


def _why_not_compile(config: TrainConfig) -> str:
    """Why a training step cannot be compiled; empty if it can."""
    if config.device != "cpu":
        return "only steps on a CPU are compiled; set compile: never"
    if config.model.architecture not in COMPILABLE:
        return f"the architecture {config.model.architecture} is not traced; set compile: never"
    if not any(shutil.which(name) for name in ("g++", "clang++")):
        return "there is no C++ compiler: apt install g++, or set compile: never"
    return ""


def _continued(
    config: TrainConfig, start: finetune.Start, statistics: DataStatistics, graphs: Sequence[Graph]
) -> nn.Module:
    model = build_model(config.model, statistics)
    finetune.load_start(model, start)
    known = 0 if config.finetune.refit_energies else len(start.statistics.type_names)
    free = range(known, len(statistics.type_names))
    if free:
        fit_energies(model, graphs, free)
    return model


def _require_labels(config: LossConfig, split: Split) -> None:
    """Refuse a weight on labels that are not there: the loss would be NaN from the first step."""
    if config.stress and split.train.stress is None:
        raise DataError(f"loss.stress is {config.stress}, but the frames have no stress; set it to 0")
