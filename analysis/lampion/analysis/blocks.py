"""Error bars of correlated time series: blocks long enough to be independent of one another."""

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

Array = NDArray[np.float64]

LEVEL = 0.95
N_BLOCKS = 10


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, all three in the same unit."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """The three numbers under their names, ready for JSON."""
        return asdict(self)


def autocovariance(series: Array) -> Array:
    """Biased autocovariance R(k) = (1/n) Σ_i (x_i - x̄)(x_{i+k} - x̄) for k = 0 .. n-1, by FFT; shape (n,)."""
    deviation = series - series.mean()
    n = len(deviation)
    spectrum = np.fft.rfft(deviation, 2 * n)
    return np.fft.irfft(np.abs(spectrum) ** 2)[:n] / n


def _significant_lag(correlation: Array) -> int:
    """Lag after which the correlation stays inside white-noise limits for a stretch of lags."""
    n = len(correlation)
    stretch = max(5, math.ceil(math.sqrt(math.log10(n))))
    quiet = np.abs(correlation[1:]) < 2.0 * math.sqrt(math.log10(n) / n)
    for lag in range(min(math.ceil(math.sqrt(n)), n - stretch - 1)):
        if quiet[lag : lag + stretch].all():
            return max(lag, 1)
    return max(math.ceil(math.sqrt(n)), 1)


def block_length(series: Array) -> int:
    """Block length for the moving-block bootstrap that makes its variance most accurate.

    b = (3/2 · (G/g)² · n)^(1/3) with g = Σ_k λ(k/M) R(k), G = Σ_k λ(k/M) |k| R(k), λ the flat-top window and M twice
    the last lag whose autocorrelation is significant; 1 <= b <= min(3 √n, n/3).

    Args:
        series: (n,) equally spaced values, n >= 10.
    Source: Politis and White, Econometric Reviews 23, 53 (2004), with the correction of 28, 372 (2009).
    """
    n = len(series)
    covariance = autocovariance(series)
    if covariance[0] <= 0.0:
        return 1
    window = min(2 * _significant_lag(covariance / covariance[0]), n - 1)
    lag = np.arange(1, window + 1)
    weighted = np.minimum(1.0, 2.0 * (1.0 - lag / window)) * covariance[1 : window + 1]
    spectrum = covariance[0] + 2.0 * weighted.sum()
    slope = 2.0 * (lag * weighted).sum()
    longest = max(1, math.ceil(min(3.0 * math.sqrt(n), n / 3.0)))
    if spectrum <= 0.0:
        return longest
    return int(np.clip(math.ceil((1.5 * (slope / spectrum) ** 2 * n) ** (1.0 / 3.0)), 1, longest))


def block_means(series: Array) -> Array:
    """Means of up to ten equal, consecutive blocks along the first axis; shape (n_blocks, ...). Rests are dropped.

    Raises:
        ValueError: fewer than 4 samples.
    """
    n = len(series)
    if n < 4:
        raise ValueError(f"{n} samples give no error bar: at least 4 are needed")
    n_blocks = min(N_BLOCKS, n // 2)
    length = n // n_blocks
    return series[: n_blocks * length].reshape(n_blocks, length, *series.shape[1:]).mean(axis=1)


def half_width(samples: Array) -> Array:
    """Half of the 95 % Student interval of the mean of independent samples along the first axis."""
    n = len(samples)
    return student.ppf(0.5 + LEVEL / 2.0, n - 1) * samples.std(axis=0, ddof=1) / math.sqrt(n)


def mean_estimate(series: Array) -> Estimate:
    """Mean of a correlated series with the 95 % Student interval of its block means."""
    value, half = float(series.mean()), float(half_width(block_means(series)))
    return Estimate(value, value - half, value + half)
