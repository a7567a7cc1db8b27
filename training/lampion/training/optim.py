"""Optimizer, learning rate and loss weights; the schedules are pure functions of the training progress."""

import math

import torch
from torch import nn

from lampion.training.config import OptimizerConfig


def make_optimizer(config: OptimizerConfig, model: nn.Module) -> torch.optim.Optimizer:
    """AdamW over the parameters that are not frozen, as one fused kernel: a small model steps in half a millisecond."""
    return torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        amsgrad=config.amsgrad,
        fused=True,
    )


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
