"""Energy series whose slope is known, and how often the interval contains it."""

import numpy as np
import pytest
from scipy.signal import lfilter

from lampion.analysis.blocks import block_length, mean_estimate
from lampion.analysis.drift import energy_drift

TIME = np.linspace(0.0, 20.0, 201)


def autoregressive(rng: np.random.Generator, n: int, correlation: float) -> np.ndarray:
    return lfilter([1.0], [1.0, -correlation], rng.normal(size=n + 200))[200:]


def test_constant_energy_has_no_drift_and_no_width():
    drift = energy_drift(TIME, np.full_like(TIME, -63.8))
    assert max(abs(drift.slope.low), abs(drift.slope.value), abs(drift.slope.high)) < 1e-13
    assert drift.fluctuation < 1e-13


def test_straight_line_gives_its_slope():
    drift = energy_drift(TIME, 5.0 - 0.3 * TIME)
    assert drift.slope.value == pytest.approx(-0.3, rel=1e-12)
    assert drift.slope.high - drift.slope.low < 1e-12
    assert drift.fluctuation < 1e-12


def test_fluctuation_is_the_rms_about_the_line():
    noise = np.random.default_rng(1).normal(scale=0.02, size=len(TIME))
    assert energy_drift(TIME, noise + 7.0 * TIME).fluctuation == pytest.approx(0.02, rel=0.15)


def test_interval_scales_with_energy_and_time():
    noise = np.random.default_rng(2).normal(size=len(TIME))
    one, other = energy_drift(TIME, noise).slope, energy_drift(10.0 * TIME, 3.0 * noise).slope
    assert (other.high - other.low) == pytest.approx(0.3 * (one.high - one.low), rel=1e-9)


@pytest.mark.parametrize("n", [50, 200])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_interval_covers_the_true_slope(n: int, correlation: float):
    time = 0.1 * np.arange(n)
    hits = 0
    for seed in range(200):
        slope = energy_drift(time, 0.3 * time + autoregressive(np.random.default_rng(seed), n, correlation)).slope
        hits += slope.low <= 0.3 <= slope.high
    assert 0.88 <= hits / 200 <= 0.99


def test_a_drift_ten_times_its_error_is_seen():
    """Negative control: the interval must not be so wide that it always contains zero."""
    misses = 0
    for seed in range(50):
        noise = autoregressive(np.random.default_rng(seed), len(TIME), 0.5)
        slope = energy_drift(TIME, noise + 0.5 * TIME).slope
        misses += slope.low <= 0.0
    assert misses == 0


def test_white_noise_needs_short_blocks_and_slow_noise_long_ones():
    rng = np.random.default_rng(3)
    assert block_length(rng.normal(size=1000)) <= 4
    assert block_length(autoregressive(rng, 1000, 0.95)) >= 20


def test_mean_of_correlated_noise_is_covered():
    hits = 0
    for seed in range(200):
        estimate = mean_estimate(90.0 + autoregressive(np.random.default_rng(seed), 500, 0.8))
        hits += estimate.low <= 90.0 <= estimate.high
    assert 0.88 <= hits / 200 <= 0.99


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match=r"at least 20 energies, the run has 5"):
        energy_drift(TIME[:5], TIME[:5])


def test_nan_is_refused():
    with pytest.raises(ValueError, match="not all finite"):
        energy_drift(TIME, np.where(TIME > 10.0, np.nan, 0.0))
