"""A model beside the surface it has learned, both run from the same starts with the same velocities."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lampion.analysis.stability.energies import median
from lampion.analysis.stability.survival import log_rank

Figures = Mapping[str, Any]


def against(model: Figures, reference: Figures) -> dict[str, Any]:
    """What is the model's of its failures and its drift, and what the integrator's.

    `drift_difference`: median over the replicas that ran to the end with both of the drift of the one less that of the
    other, meV/atom/ps, with its distribution-free 95 % interval; None without such replicas. `p`: log-rank probability
    of survival so different if both failed alike.

    Args:
        model, reference: contents of two `stability.json` of the same starts.
    """
    own, other = (
        {row["replica"]: row["drift"] for row in figures["times"] if "drift" in row} for figures in (model, reference)
    )
    both = sorted(own.keys() & other.keys())
    difference = median(np.array([own[r] - other[r] for r in both])) if both else None
    return {
        "replicas": reference["replicas"],
        "failures": reference["failures"],
        "failure_probability": reference["failure_probability"],
        "causes": reference["causes"],
        "drift": reference["drift"],
        "drift_difference": difference and difference | {"n_replicas": len(both), "unit": "meV/atom/ps"},
        "p": log_rank(*(_followed(figures) for figures in (model, reference))),
    }


def _followed(figures: Figures) -> tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.bool_]]]:
    """Times and whether they ended in a failure."""
    rows = figures["times"]
    return np.array([row["time_ps"] for row in rows]), np.array([row["cause"] is not None for row in rows])
