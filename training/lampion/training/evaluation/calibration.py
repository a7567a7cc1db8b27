"""Whether the spread of a committee tells the size of its error.

M members predict ŷ_m; ȳ is their mean and σ their standard deviation (M - 1 in the denominator). If the label is as
likely to lie where any further member would, (ȳ - y) / (σ √(1 + 1/M)) follows Student's t distribution with M - 1
degrees of freedom: the prediction interval of a new observation, exact for any M >= 2 and normal members. Committees
that differ by their seeds alone share the errors of their data and their form, and are overconfident as a rule: the
spread has to be multiplied by a factor, here the one of largest likelihood (for M > 3 members and normal errors it
serves as the α of Imbalzano et al. 2021, 10.1063/5.0036522). Miscalibration area: Tran et al. 2020,
10.1088/2632-2153/ab7e1a.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from lampion.training.data.frames import Floats
from lampion.training.errors import ConfigError
from lampion.training.evaluation.predictions import rmse

LEVELS = np.linspace(0.01, 0.99, 99)
#: Factors within these bounds count as calibrated.
CALIBRATED = (0.8, 1.25)
N_BINS = 10


@dataclass(frozen=True)
class Calibration:
    """How a committee's spread and its errors go together, for one quantity.

    Attributes:
        n_members, n_values: members M, and labelled values compared.
        factor: multiply the committee's standard deviation by it; 1 is calibrated, larger is overconfident.
        verdict: `calibrated`, `overconfident` (factor > 1.25) or `underconfident` (factor < 0.8).
        correlation: Spearman's rank correlation of spread and absolute error.
        miscalibration_area: mean |coverage - level|; 0 is calibrated, 0.5 the worst.
        nll, nll_rescaled: mean negative log-likelihood of the labels before and after the factor, in the unit given.
        levels, coverage: share of the labels inside the central interval of each level.
        bin_spread, bin_rmse: root mean square of spread and of error in tenths of rising spread, in the unit given.
    """

    n_members: int
    n_values: int
    factor: float
    verdict: str
    correlation: float | None
    miscalibration_area: float
    nll: float
    nll_rescaled: float
    levels: list[float]
    coverage: list[float]
    bin_spread: list[float]
    bin_rmse: list[float]


def calibrate(members: Sequence[Floats], reference: Floats) -> Calibration:
    """Compare a committee's spread with its errors.

    Args:
        members: one array of predictions per member, all of the shape of `reference`.
        reference: labels; values that are not finite are passed over.

    Raises:
        ConfigError: fewer than two members, or members that predict the same throughout.
    """
    there = np.isfinite(reference)
    predictions = np.stack([member[there] for member in members])
    if len(members) < 2:
        raise ConfigError("a committee needs at least two members; give further model files with --committee")
    error, spread = predictions.mean(axis=0) - reference[there], _spread(predictions)
    scale = spread * np.sqrt(1 + 1 / len(members))
    freedom = len(members) - 1
    factor = _likeliest_factor(np.abs(error) / scale, freedom)
    inside = np.abs(error) / scale <= _half_widths(freedom)[:, None]
    coverage = inside.mean(axis=1)
    bins = [part for part in np.array_split(np.argsort(spread), N_BINS) if part.size]
    return Calibration(
        n_members=len(members),
        n_values=error.size,
        factor=factor,
        verdict=_verdict(factor),
        correlation=rank_correlation(spread, np.abs(error)),
        miscalibration_area=float(np.abs(coverage - LEVELS).mean()),
        nll=_nll(error, scale, freedom),
        nll_rescaled=_nll(error, factor * scale, freedom),
        levels=LEVELS.tolist(),
        coverage=coverage.tolist(),
        bin_spread=[rmse(spread[part]) for part in bins],
        bin_rmse=[rmse(error[part]) for part in bins],
    )


def _spread(predictions: Floats) -> Floats:
    """Standard deviation over members; zeros, which symmetry makes, become negligible beside all others."""
    spread = predictions.std(axis=0, ddof=1)
    if not spread.size or spread.max() == 0.0:
        raise ConfigError("all members of the committee predict the same; give models of different trainings")
    return np.maximum(spread, 1e-6 * spread.max())


def _likeliest_factor(ratios: Floats, freedom: int) -> float:
    """Scale of largest likelihood of |t|-distributed ratios: Σ (ν+1) z² / (ν s² + z²) = n has one solution s."""
    squares = ratios**2

    def excess(log_scale: float) -> float:
        return float(((freedom + 1) * squares / (freedom * np.exp(2 * log_scale) + squares)).mean()) - 1.0

    low, high = -20.0, 20.0
    if excess(low) <= 0.0:  # more than half of the errors vanish: no spread is small enough
        return 0.0
    return float(np.exp(optimize.brentq(excess, low, high)))


def _half_widths(freedom: int) -> Floats:
    return np.asarray(stats.t.ppf(0.5 + LEVELS / 2, freedom))


def _nll(error: Floats, scale: Floats, freedom: int) -> float:
    return float(-stats.t.logpdf(error, freedom, scale=np.maximum(scale, np.finfo(float).tiny)).mean())


def rank_correlation(x: Floats, y: Floats) -> float | None:
    """Spearman's rank correlation; None where one of the two does not vary."""
    if x.size < 3 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return None
    return float(stats.spearmanr(x, y).statistic)


def _verdict(factor: float) -> str:
    low, high = CALIBRATED
    return "overconfident" if factor > high else "underconfident" if factor < low else "calibrated"
