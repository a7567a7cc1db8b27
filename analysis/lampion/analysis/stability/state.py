"""When a replica first breaks a definition by what the record holds: energies, temperatures, largest forces."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lampion.analysis.stability.definition import Definition
from lampion.analysis.stability.failure import Cause, Failure
from lampion.analysis.stability.records import Series

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: samples that a median over a stretch needs
MIN_SAMPLES = 5


def state_failures(replica: int, series: Series, n_atoms: int, definition: Definition) -> Iterator[Failure]:
    """First failure by every criterion: non-finite, force, temperature, drift.

    Args:
        series: samples of one replica; times count from its start.
    """
    for criterion, broken, value in _limits(series, definition):
        if broken.any():
            at = int(broken.argmax())
            yield Failure(replica, float(series.time[at]), Cause.EXPLOSION, criterion, value=float(value[at]))
    if definition.drift is not None:
        yield from _drifts(replica, series, n_atoms, definition.drift, definition.drift_window)


def _limits(series: Series, definition: Definition) -> Iterator[tuple[str, Mask, Array]]:
    """Criterion, the samples that break it, and what broke it."""
    temperature, force = series.temperature, series.force
    yield "nonfinite", ~np.isfinite(series.energy + temperature + force), series.energy
    for limit in (definition.force, definition.gradient):
        if limit is not None:
            yield "force", force > limit, force
    if definition.temperature is not None:
        rise, factor = definition.temperature
        yield "temperature", temperature > max(temperature[0] + rise, factor * temperature[0]), temperature
    if definition.temperature_jump is not None:
        before = np.concatenate([temperature[:1], temperature[:-1]])
        yield "temperature", temperature > definition.temperature_jump * before, temperature


def stretch_medians(series: Series, window: float) -> tuple[Array, Array]:
    """Middle times and median energies of consecutive stretches of `window` ps, at least 5 samples each.

    The median over many vibrations does not shake with them, nor with one wild sample. A last stretch that is not
    full is dropped.
    """
    interval = np.median(np.diff(series.time)) if len(series.time) > 1 else np.inf
    length = max(MIN_SAMPLES, round(window / interval))
    n = len(series.time) // length
    middle = series.time[: n * length].reshape(n, length).mean(axis=1)
    return middle, np.median(series.energy[: n * length].reshape(n, length), axis=1)


def _drifts(replica: int, series: Series, n_atoms: int, limit: float, window: float) -> Iterator[Failure]:
    """|E(t) - E(0)| / n_atoms beyond the limit, E the medians; the time is the middle of the first stretch beyond."""
    time, energy = stretch_medians(series, window)
    gain = (energy - energy[:1]) / n_atoms
    beyond = np.abs(gain) > limit
    if beyond.any():
        at = int(beyond.argmax())
        yield Failure(replica, float(time[at]), Cause.DRIFT, "drift", value=float(gain[at]))
