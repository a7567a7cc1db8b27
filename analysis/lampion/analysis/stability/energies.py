"""Energy of the replicas that ran to the end: how fast it walks away, how much it shakes, and how replicas differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import quantile_test, theilslopes

from lampion.analysis.blocks import LEVEL, Estimate
from lampion.analysis.drift import block_of, half_interval, resampled
from lampion.analysis.stability.records import Series

Array = NDArray[np.float64]

#: stretches a series is averaged over before its slope is sought
N_STRETCHES = 50
#: resampled series that make the spread of a slope: known to 4 %, and there are many replicas
N_SERIES = 400
_MEV = 1000.0


@dataclass(frozen=True)
class Walk:
    """Of one replica: slope in meV/atom/ps, variance of the total energy in eV², rms about its mean in meV/atom."""

    slope: Estimate
    variance: float
    fluctuation: float


def energy_walk(series: Series, n_atoms: int) -> Walk | None:
    """Robust drift of one replica, see `robust_drift`; None for fewer than 50 samples."""
    if len(series.time) < N_STRETCHES:
        return None
    total = series.energy
    return Walk(
        robust_drift(series.time, total * (_MEV / n_atoms)),
        float(total.var()),
        float(total.std()) * _MEV / n_atoms,
    )


def robust_drift(time: Array, energy: Array) -> Estimate:
    """Slope of an energy with its 95 % interval, not led astray by single wild samples.

    The energy is averaged over 50 equal stretches. Slope: the median of the slopes of all pairs of them (Theil and
    Sen). Interval: blocks of b consecutive residuals drawn at random, 400 times, give a spread s of that median;
    slope ± q s (n / (n - 2b))^(1/2) with q from Student's t with n/b - 2 degrees of freedom, b as in `energy_drift`.

    Args:
        time, energy: (n,), n >= 50.
    Source: Sen, Journal of the American Statistical Association 63, 1379 (1968); Künsch, Annals of Statistics 17, 1217
    (1989).
    """
    length = len(time) // N_STRETCHES
    means = [values[: length * N_STRETCHES].reshape(N_STRETCHES, length).mean(axis=1) for values in (time, energy)]
    slope, intercept, _, _ = theilslopes(means[1], means[0])
    half = _half_interval(means[0], means[1] - intercept - slope * means[0])
    return Estimate(float(slope), float(slope - half), float(slope + half))


def _half_interval(time: Array, residual: Array) -> float:
    n = len(residual)
    block = block_of(residual)
    earlier, later = np.triu_indices(n, 1)
    span = time[later] - time[earlier]
    # The residual has n - 2 degrees of freedom left.
    series = np.stack(list(islice(resampled(residual * np.sqrt(n / (n - 2)), block), N_SERIES)))
    slopes = np.median((series[:, later] - series[:, earlier]) / span, axis=1)
    return half_interval(slopes, n, block)


def energy_summary(walks: Sequence[Walk]) -> dict[str, Any] | None:
    """Medians over replicas with their distribution-free 95 % intervals, ready for JSON; None without replicas.

    The ends of the interval are order statistics, which ask nothing of the distribution and are never negative where
    the values are not; fewer than six replicas have none, and the whole range stands for it.
    `drift` also has quartiles, the range, and how many replicas have an interval of their own that excludes zero.
    """
    if not walks:
        return None
    slopes = np.array([walk.slope.value for walk in walks])
    return {
        "n_replicas": len(walks),
        "drift": {
            **median(slopes),
            "quartiles": np.quantile(slopes, (0.25, 0.75)).tolist(),
            "range": [float(slopes.min()), float(slopes.max())],
            "n_significant": sum(not walk.slope.low <= 0.0 <= walk.slope.high for walk in walks),
            "unit": "meV/atom/ps",
        },
        "energy_variance_eV2": median(np.array([walk.variance for walk in walks])),
        "energy_fluctuation_meV_per_atom": median(np.array([walk.fluctuation for walk in walks])),
    }


def median(values: Array) -> dict[str, float]:
    """With its distribution-free 95 % interval, see `energy_summary`; ready for JSON."""
    interval = quantile_test(values, p=0.5).confidence_interval(LEVEL)
    low = float(interval.low) if np.isfinite(interval.low) else float(values.min())
    high = float(interval.high) if np.isfinite(interval.high) else float(values.max())
    return Estimate(float(np.median(values)), low, high).as_dict()
