"""How often: failures of independent trials with an exact interval."""

from dataclasses import asdict, dataclass
from typing import Any

from scipy.stats import binomtest

from lampion.analysis.blocks import LEVEL


@dataclass(frozen=True)
class Proportion:
    """Share of failures with its 95 % interval, and the sentence to print."""

    value: float
    low: float
    high: float
    text: str

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def proportion(failures: int, trials: int) -> Proportion:
    """Clopper-Pearson interval: the probabilities at which so many failures or more (fewer) have a chance of 2.5 %.

    It contains the truth in at least 95 % of cases, whatever the truth. No failure of n gives the upper limit
    1 - 0.025^(1/n): 3.6 % for n = 100.

    Raises:
        ValueError: no trial, or more failures than trials.
    Source: Clopper and Pearson, Biometrika 26, 404 (1934).
    """
    if not 0 <= failures <= trials or trials == 0:
        raise ValueError(f"{failures} failures of {trials} replicas are no proportion")
    interval = binomtest(failures, trials).proportion_ci(LEVEL, method="exact")
    low, high = float(interval.low), float(interval.high)
    return Proportion(failures / trials, low, high, _text(failures, trials, low, high))


def _text(failures: int, trials: int, low: float, high: float) -> str:
    level = f"{100 * LEVEL:.0f} %"
    if failures == 0:
        return f"below {100 * high:.1f} % ({level})"
    if failures == trials:
        return f"above {100 * low:.1f} % ({level})"
    return f"{100 * failures / trials:.1f} % ({level}: {100 * low:.1f} to {100 * high:.1f} %)"
