"""How often and how long: against closed forms, published data, other codes, and by simulation of known truths."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.stats import beta, binom

from lampion.analysis.stability.energies import energy_summary, energy_walk
from lampion.analysis.stability.proportions import proportion
from lampion.analysis.stability.records import Series
from lampion.analysis.stability.survival import (
    cumulative_incidence,
    log_rank,
    median_time,
    restricted_mean,
    survival_curve,
)

# Weeks in remission of 21 + 21 children (Freireich et al., Blood 21, 699 (1963)): the example of every textbook.
FAILED_6MP = [6, 6, 6, 7, 10, 13, 16, 22, 23]
FOLLOWED_6MP = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
TREATED = np.array(FAILED_6MP + FOLLOWED_6MP, dtype=float), np.arange(21) < 9
PLACEBO = np.array([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23.0]), np.ones(21, dtype=bool)

N_STUDIES = 2000
HORIZON = 1.0


def test_no_failure_of_a_hundred():
    found = proportion(0, 100)
    assert found.text == "below 3.6 % (95 %)"
    assert (found.value, found.low, found.high) == (0.0, 0.0, pytest.approx(1 - 0.025**0.01))
    assert proportion(4, 100).text == "4.0 % (95 %: 1.1 to 9.9 %)"
    assert proportion(20, 20).text == "above 83.2 % (95 %)"


def test_clopper_pearson_is_a_quantile_of_the_beta_distribution():
    for k in range(1, 30):
        found = proportion(k, 30)
        assert found.low == pytest.approx(beta.ppf(0.025, k, 31 - k))
        assert k == 30 or found.high == pytest.approx(beta.ppf(0.975, k + 1, 30 - k))


def test_clopper_pearson_contains_every_truth_in_at_least_95_percent_of_studies():
    """Exact: the chances of all outcomes of 100 replicas that give an interval with the truth inside."""
    outcomes = np.arange(101)
    intervals = [proportion(k, 100) for k in range(101)]
    low, high = (np.array([getattr(interval, end) for interval in intervals]) for end in ("low", "high"))
    truths = np.linspace(0.001, 0.999, 999)
    coverage = np.array([binom.pmf(outcomes, 100, p)[(low <= p) & (p <= high)].sum() for p in truths])
    assert coverage.min() >= 0.95
    assert coverage[199:800].max() < 0.98  # nor is it far too wide


def test_a_proportion_of_nothing_is_refused():
    with pytest.raises(ValueError, match="0 failures of 0 replicas are no proportion"):
        proportion(0, 0)
    with pytest.raises(ValueError, match="3 failures of 2 replicas"):
        proportion(3, 2)


def test_kaplan_meier_is_the_published_curve():
    """Values and log-log band as lifelines 0.30.3 gives them; the curve is also that of Cox and Oakes (1984)."""
    curve = survival_curve(*TREATED)
    at = [np.searchsorted(curve.time, t) for t in (6, 7, 10, 13, 16, 22, 23)]
    for found, published in (
        (curve.value, [0.857143, 0.806723, 0.752941, 0.690196, 0.627451, 0.537815, 0.448179]),
        (curve.low, [0.619718, 0.563147, 0.503200, 0.431610, 0.367511, 0.267779, 0.188052]),
        (curve.high, [0.951552, 0.922809, 0.889362, 0.849066, 0.804912, 0.746791, 0.680143]),
    ):
        assert found[at] == pytest.approx(published, abs=1e-6)
    assert (curve.time[0], curve.value[0]) == (0.0, 1.0)


def test_median_restricted_mean_and_log_rank_are_those_of_lifelines():
    treated, placebo = median_time(survival_curve(*TREATED)), median_time(survival_curve(*PLACEBO))
    assert treated is not None
    assert placebo is not None
    assert (treated.value, treated.low, treated.high) == (23.0, 13.0, math.inf)
    assert (placebo.value, placebo.low, placebo.high) == (8.0, 4.0, 11.0)
    assert restricted_mean(*TREATED, 20.0).value == pytest.approx(16.116526610644254)
    assert restricted_mean(*PLACEBO, 20.0).value == pytest.approx(8.428571428571429)
    assert log_rank(TREATED, PLACEBO) == pytest.approx(4.168809109334511e-05)


def test_cumulative_incidence_is_that_of_lifelines_and_adds_up():
    time = np.array([0.5, 1.1, 1.7, 2.3, 2.9, 3.4, 4.2, 5.0, 6.0, 7.5, 8.1, 9.9])
    causes = ["drift", None, "loss", "drift", "drift", None, "loss", "loss", None, "drift", None, "loss"]
    found = cumulative_incidence(time, causes)
    assert found["drift"][1] == pytest.approx(
        [0, 0.083333, 0.083333, 0.083333, 0.175, *[0.266667] * 5, *[0.409259] * 3], abs=1e-6
    )
    assert found["loss"][1][-1] == pytest.approx(0.590741, abs=1e-6)
    survival = survival_curve(time, np.array([cause is not None for cause in causes]))
    assert found["drift"][1] + found["loss"][1] + survival.value == pytest.approx(1.0)


def test_without_failures_there_is_no_median_and_the_band_says_how_little_is_known():
    time, failed = np.full(100, HORIZON), np.zeros(100, dtype=bool)
    curve = survival_curve(time, failed)
    assert curve.low[-1] == pytest.approx(1.0 - proportion(0, 100).high)
    assert median_time(curve) is None
    found = restricted_mean(time, failed, HORIZON)
    assert (found.value, found.low, found.high) == (1.0, pytest.approx(0.025**0.01), 1.0)
    assert log_rank((time, failed), (time, failed)) == 1.0
    at_once = np.zeros(4), np.ones(4, dtype=bool)
    assert log_rank(at_once, at_once) == 1.0
    assert cumulative_incidence(time, [None] * 100) == {}


def test_when_all_fail_the_curve_ends_at_zero():
    curve = survival_curve(np.arange(1.0, 6.0), np.ones(5, dtype=bool))
    assert curve.value == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.0])
    assert (curve.low[-1], curve.high[-1]) == (0.0, curve.high[-2])
    at_once = restricted_mean(np.zeros(5), np.ones(5, dtype=bool), HORIZON)
    assert (at_once.value, at_once.low) == (0.0, 0.0)


def studies(failing: float, n_replicas: int = 100, seed: int = 5) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Exponential times to failure, of which the share `failing` falls before the horizon; the rest is censored."""
    rng = np.random.default_rng(seed)
    for time in rng.exponential(1.0 / rate_of(failing), (N_STUDIES, n_replicas)):
        yield np.minimum(time, HORIZON), time < HORIZON


def rate_of(failing: float) -> float:
    return -math.log1p(-failing) / HORIZON


def test_median_and_band_at_the_median_cover_the_truth_in_95_percent_of_2000_studies():
    failing = 0.8
    truth = math.log(2.0) / rate_of(failing)
    of_median = of_band = 0
    for time, failed in studies(failing):
        curve = survival_curve(time, failed)
        median = median_time(curve)
        of_median += median is not None and median.low <= truth <= median.high
        at = np.searchsorted(curve.time, truth, side="right") - 1
        of_band += curve.low[at] <= 0.5 <= curve.high[at]
    assert of_median / N_STUDIES == pytest.approx(0.95, abs=0.015)
    assert of_band / N_STUDIES == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("failing", [0.05, 0.2, 0.5, 0.8])
def test_restricted_mean_covers_the_truth_in_95_percent_of_2000_studies(failing: float):
    truth = failing / rate_of(failing)
    inside = 0
    for time, failed in studies(failing):
        found = restricted_mean(time, failed, HORIZON)
        inside += found.low <= truth <= found.high
    assert inside / N_STUDIES == pytest.approx(0.95, abs=0.015)


def test_log_rank_takes_equal_models_for_different_in_5_percent_of_2000_pairs():
    pairs = zip(studies(0.4, seed=1), studies(0.4, seed=2), strict=True)
    wrong = sum(log_rank(first, second) < 0.05 for first, second in pairs)
    assert wrong / N_STUDIES == pytest.approx(0.05, abs=0.015)
    (good, bad) = next(studies(0.1)), next(studies(0.5))
    assert log_rank(good, bad) < 1e-4


def series(slope: float, noise: np.ndarray, interval: float = 0.02) -> Series:
    """Energy of nine atoms that drifts by `slope` meV/atom/ps."""
    time = interval * np.arange(len(noise))
    energy = -4209.0 + 9e-3 * slope * time + noise
    return Series(time, energy, energy, energy)


def test_slope_of_a_walk_is_robust_against_one_wild_stretch():
    rng = np.random.default_rng(0)
    noise = 1e-3 * rng.normal(size=2000)
    noise[900:940] += 3.0
    walk = energy_walk(series(0.5, noise), 9)
    assert walk is not None
    assert walk.slope.low < 0.5 < walk.slope.high
    assert walk.slope.value == pytest.approx(0.5, rel=0.02)
    assert energy_walk(series(0.5, noise[:49]), 9) is None


def test_interval_of_the_slope_covers_the_truth_under_correlated_noise():
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(100):
        noise = np.convolve(rng.normal(size=1019), 0.9 ** np.arange(20), mode="valid")
        walk = energy_walk(series(0.2, 1e-3 * noise), 9)
        assert walk is not None
        inside += walk.slope.low <= 0.2 <= walk.slope.high
    assert 0.88 <= inside / 100 <= 0.99


def test_energies_of_many_replicas():
    rng = np.random.default_rng(4)
    walks = [energy_walk(series(slope, 1e-3 * rng.normal(size=1000)), 9) for slope in np.linspace(-0.1, 0.3, 21)]
    found = energy_summary([walk for walk in walks if walk is not None])
    assert found is not None
    drift = found["drift"]
    assert drift["value"] == pytest.approx(0.1, abs=0.01)
    assert drift["low"] < drift["quartiles"][0] + 0.1 < drift["high"]
    assert drift["range"] == pytest.approx([-0.1, 0.3], abs=0.01)
    assert 15 <= drift["n_significant"] <= 21
    assert energy_summary([]) is None
    # eV²: that of a line of slope s over T ps is (9 s T)² / 12, plus 1e-6 of the noise
    truth = np.median([(9e-3 * slope * 19.98) ** 2 / 12 + 1e-6 for slope in np.linspace(-0.1, 0.3, 21)])
    variance = found["energy_variance_eV2"]
    assert variance["value"] == pytest.approx(truth, rel=0.1)
    assert 0.0 < variance["low"] < truth < variance["high"]
