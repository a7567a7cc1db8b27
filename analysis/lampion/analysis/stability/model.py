"""Judged models of a study, one or many, and what can be said of several together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lampion.analysis.blocks import Estimate
from lampion.analysis.stability.proportions import Proportion, proportion
from lampion.analysis.stability.survival import Curve, log_rank, restricted_mean, survival_curve

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Value = str | int | float | bool


@dataclass(frozen=True)
class JudgedModel:
    """A model of a study: name, content of its `stability.json`, hyper-parameters, and test errors if they are known.

    Attributes:
        errors: of energies and forces on unseen frames, by names that end in their unit.
    """

    name: str
    figures: Mapping[str, Any]
    parameters: Mapping[str, Value] = field(default_factory=dict)
    errors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Pool:
    """Replicas of several models taken together, followed up to the shortest run that any of them survived.

    Attributes:
        time: (n,) ps. failed: (n,). cause: of each, None without one.
        variances: of the total energy of each model's survivors, eV²; models without any are left out.
    """

    time: Array
    failed: Mask
    cause: tuple[str | None, ...]
    horizon: float
    variances: Array

    @property
    def rate(self) -> Proportion:
        """Share that failed. Its interval takes all replicas for independent."""
        return proportion(int(self.failed.sum()), len(self.failed))

    @property
    def curve(self) -> Curve:
        """Survival."""
        return survival_curve(self.time, self.failed)

    @property
    def mean_time(self) -> Estimate:
        """Restricted to the horizon."""
        return restricted_mean(self.time, self.failed, self.horizon)


def pool(models: Sequence[JudgedModel]) -> Pool:
    """All replicas of the models."""
    # A run all of whose replicas failed ends early, with nobody left who could have been followed for longer.
    survived = [m.figures["horizon_ps"] for m in models if m.figures["failures"] < m.figures["replicas"]]
    horizon = min(survived) if survived else max(model.figures["horizon_ps"] for model in models)
    rows = [row for model in models for row in model.figures["times"]]
    time = np.array([row["time_ps"] for row in rows])
    cause = tuple(row["cause"] if row["time_ps"] <= horizon else None for row in rows)
    found = [model.figures["energy_variance_eV2"] for model in models]
    return Pool(
        np.minimum(time, horizon),
        np.array([name is not None for name in cause]),
        cause,
        horizon,
        np.array([variance["value"] for variance in found if variance], dtype=np.float64),
    )


def varied(models: Sequence[JudgedModel]) -> dict[str, dict[Value, Pool]]:
    """Hyper-parameter -> value -> all replicas of the models that have it; those that differ between models only."""
    found: dict[str, dict[Value, Pool]] = {}
    for name in dict.fromkeys(name for model in models for name in model.parameters):
        values = sorted({model.parameters[name] for model in models if name in model.parameters}, key=_order)
        if len(values) > 1:
            found[name] = {
                value: pool([model for model in models if model.parameters.get(name) == value]) for value in values
            }
    return found


def difference(pools: Sequence[Pool]) -> float:
    """Log-rank probability between the first and the last pool."""
    return log_rank((pools[0].time, pools[0].failed), (pools[-1].time, pools[-1].failed))


def _order(value: Value) -> tuple[bool, float, str]:
    """Numbers by size, before words."""
    return (True, 0.0, value) if isinstance(value, str) else (False, float(value), "")
