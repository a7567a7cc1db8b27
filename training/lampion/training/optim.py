"""Learning-rate schedule and loss weights as pure functions of the training progress."""

import math

from lampion.training.config import OptimizerConfig


def learning_rate(config: OptimizerConfig, step: int, total_steps: int, plateau_halvings: int) -> float:
    """Learning rate at a step.

    Warm-up rises linearly over `warmup_steps`. With p = step / total_steps and f = `final_factor`, `cosine` is
    f + (1-f)(1 + cos πp)/2, `exponential` f^p, `plateau` 2^-halvings (not below f), `constant` 1.
    """
    progress = min(1.0, step / max(1, total_steps))
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
