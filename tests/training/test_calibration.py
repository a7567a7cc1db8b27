"""A committee whose labels look like one more member is calibrated, and one that is too sure is caught."""

import numpy as np
import pytest

from lampion.training.errors import ConfigError
from lampion.training.evaluation.calibration import calibrate


def committee(n_members: int, error: float = 1.0, n: int = 4000, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Members and labels drawn about one truth with spreads of their own; labels `error` times as far as members."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.2, 2.0, n)
    return list(spread * rng.normal(size=(n_members, n))), error * spread * rng.normal(size=n)


@pytest.mark.parametrize("n_members", [2, 3, 5, 12])
def test_labels_like_another_member_are_calibrated(n_members):
    found = calibrate(*committee(n_members))
    assert found.verdict == "calibrated"
    assert found.factor == pytest.approx(1.0, abs=0.06)
    assert found.miscalibration_area < 0.015
    assert found.nll == pytest.approx(found.nll_rescaled, abs=1e-3)
    np.testing.assert_allclose(found.coverage, found.levels, atol=0.04)


@pytest.mark.parametrize("n_members", [2, 5])
@pytest.mark.parametrize(("error", "verdict"), [(4.0, "overconfident"), (0.1, "underconfident")])
def test_wrong_spreads_are_flagged_and_the_factor_mends_them(n_members, error, verdict):
    """Var(ȳ - y) = σ² (error² + 1/M), so the factor is known."""
    members, labels = committee(n_members, error)
    found = calibrate(members, labels)
    expected = np.sqrt((error**2 + 1 / n_members) / (1 + 1 / n_members))
    assert found.factor == pytest.approx(expected, rel=0.08)
    assert found.verdict == verdict
    assert found.miscalibration_area > 0.05
    assert found.nll > found.nll_rescaled
    mean = np.mean(members, axis=0)
    mended = [mean + found.factor * (member - mean) for member in members]
    assert calibrate(mended, labels).verdict == "calibrated"


def test_spread_that_tells_the_error_is_correlated_with_it_and_noise_is_not():
    members, labels = committee(8)
    assert calibrate(members, labels).correlation > 0.3
    shuffled = np.random.default_rng(1).permutation(labels)
    assert abs(calibrate(members, shuffled).correlation) < 0.05
    bins = calibrate(members, labels)
    assert bins.bin_spread == sorted(bins.bin_spread)
    assert bins.bin_rmse[-1] > 3 * bins.bin_rmse[0]


def test_shape_and_missing_labels_do_not_matter():
    members, labels = committee(3, n=300)
    gaps = np.where(np.arange(300) % 3 == 0, np.nan, labels)
    kept = np.isfinite(gaps)
    expected = calibrate([member[kept] for member in members], labels[kept])
    assert calibrate([m.reshape(100, 3) for m in members], gaps.reshape(100, 3)) == expected
    assert expected.n_values == 200


def test_a_committee_without_spread_or_of_one_is_refused():
    members, labels = committee(2, n=50)
    with pytest.raises(ConfigError, match="all members of the committee predict the same"):
        calibrate([members[0], members[0]], labels)
    with pytest.raises(ConfigError, match="needs at least two members"):
        calibrate(members[:1], labels)


def test_perfect_predictions_have_factor_zero():
    members, _ = committee(2, n=50)
    found = calibrate(members, np.mean(members, axis=0))
    assert found.factor == 0.0
    assert found.verdict == "underconfident"
    assert found.correlation is None
