"""Optimizer, learning rate and loss weights; the schedules are pure functions of the training progress."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from lampion.training.config.training import OptimizerConfig
from lampion.training.loop.muon import Muon


class Optimizers:
    """Optimizers of different parameters that step as one."""

    def __init__(self, members: Sequence[torch.optim.Optimizer]) -> None:
        self.members = members

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Groups of all members, in their order."""
        return [group for member in self.members for group in member.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for member in self.members:
            member.zero_grad(set_to_none)

    def step(self) -> None:
        """One step of every member."""
        for member in self.members:
            member.step()

    def state_dict(self) -> dict[str, Any]:
        """States of the members, by their place."""
        return {str(place): member.state_dict() for place, member in enumerate(self.members)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        for place, member in enumerate(self.members):
            member.load_state_dict(state[str(place)])


def make_optimizer(config: OptimizerConfig, model: nn.Module) -> Optimizers:
    """AdamW over the parameters that are not frozen, or Muon for the mixing matrices and AdamW for the others.

    AdamW is one fused kernel: a small model steps in half a millisecond.
    """
    matrices = mixing_matrices(model) if config.method == "muon" else []
    apart = {id(matrix) for matrix in matrices}
    others = [p for p in model.parameters() if p.requires_grad and id(p) not in apart]
    members: list[torch.optim.Optimizer] = []
    if others:
        members.append(
            torch.optim.AdamW(
                others, lr=config.learning_rate, weight_decay=config.weight_decay, amsgrad=config.amsgrad, fused=True
            )
        )
    if matrices:
        members.append(Muon(matrices, config.learning_rate, config.weight_decay))
    return Optimizers(members)


def mixing_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Weights that are matrices, or stacks of them, from several features to several; tables per type are none."""
    return [
        parameter
        for module in model.modules()
        if not isinstance(module, nn.Embedding)
        for name, parameter in module.named_parameters(recurse=False)
        if name == "weight" and parameter.requires_grad and parameter.dim() > 1 and min(parameter.shape[-2:]) > 1
    ]


def learning_rate(config: OptimizerConfig, step: int, progress: float, plateau_halvings: int) -> float:
    """Learning rate at a step.

    Warm-up rises linearly over `warmup_steps`. With the progress p of the training, 0 to 1, and f = `final_factor`,
    `cosine` is f + (1-f)(1 + cos πp)/2, `exponential` f^p, `plateau` 2^-halvings (not below f), `constant` 1.
    """
    final = config.final_factor
    factor = {
        "cosine": final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress)),
        "exponential": final**progress,
        "plateau": max(final, 0.5**plateau_halvings),
        "constant": 1.0,
    }[config.schedule]
    warmup = min(1.0, (step + 1) / max(1, config.warmup_steps))
    return config.learning_rate * factor * warmup


def scheduled_weight(weight: float | tuple[float, float], progress: float) -> float:
    """Loss weight at a progress of 0..1: constant, or geometric between the two given values."""
    if isinstance(weight, tuple):
        first, last = weight
        return float(first * (last / first) ** progress)
    return weight
