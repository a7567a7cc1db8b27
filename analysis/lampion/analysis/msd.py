"""Mean-square displacement and the diffusion coefficient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lampion.analysis.blocks import Estimate, half_width

Array = NDArray[np.float64]

N_SEGMENTS = 5
FIT_FROM, FIT_TO = 0.2, 0.6
MIN_FRAMES = 50


@dataclass(frozen=True)
class Diffusion:
    """`lag` (n,) ps, `msd` (n,) Å², `coefficient` Å²/ps (1 Å²/ps = 1e-8 m²/s), `fit` the range of lags used, ps."""

    lag: Array
    msd: Array
    coefficient: Estimate
    fit: tuple[float, float]


def mean_square_displacement(positions: NDArray[np.floating]) -> Array:
    """MSD(k) = <|r_i(t + k) - r_i(t)|²>, averaged over atoms i and all time origins t; shape (n_frames,) Å².

    Sums of squares by recursion and the correlation by FFT, so the cost is n log n.

    Args:
        positions: (n_frames, n_atoms, 3) Å, unwrapped.
    Source: Calandrini et al., Collection SFN 12, 201 (2011).
    """
    n = len(positions)
    moved = np.asarray(positions, dtype=np.float64) - positions[0]
    square = (moved**2).sum(axis=(1, 2))
    transform = np.fft.rfft(moved, 2 * n, axis=0)
    correlation = np.fft.irfft((np.abs(transform) ** 2).sum(axis=(1, 2)))[:n]
    # Σ over origins of r(t)² + r(t+k)²: all squares twice, less those that have no partner at this lag.
    cut = np.concatenate([[0.0], np.cumsum(square[::-1][:-1] + square[:-1])])
    sums = 2.0 * square.sum() - cut - 2.0 * correlation
    return sums / ((n - np.arange(n)) * positions.shape[1])


def diffusion(time: Array, positions: NDArray[np.floating]) -> Diffusion:
    """Diffusion coefficient D = slope(MSD)/6 with a 95 % interval.

    The run is cut into five consecutive segments. The slope is fitted over lags of 20 to 60 % of a segment, in the
    whole run for the value and in each segment for the Student interval of their mean.

    Args:
        time: (n_frames,) ps, equally spaced.
        positions: (n_frames, n_atoms, 3) Å, unwrapped.
    Raises:
        ValueError: fewer than 50 frames, or frames not equally spaced.
    """
    n = len(time)
    if n < MIN_FRAMES:
        raise ValueError(
            f"a diffusion coefficient needs at least {MIN_FRAMES} frames, the dump has {n}: dump more often"
        )
    if not np.allclose(np.diff(time), time[1] - time[0], rtol=1e-3):
        raise ValueError("the frames of the dump are not equally spaced in time: dump every N steps")
    length = n // N_SEGMENTS
    window = slice(int(FIT_FROM * length), max(int(FIT_TO * length), int(FIT_FROM * length) + 2))
    lag = time - time[0]
    msd = mean_square_displacement(positions)
    segments = [mean_square_displacement(positions[i * length : (i + 1) * length]) for i in range(N_SEGMENTS)]
    slopes = np.array([_slope(lag[window], segment[window]) for segment in segments]) / 6.0
    value, half = _slope(lag[window], msd[window]) / 6.0, float(half_width(slopes))
    fit = (float(lag[window][0]), float(lag[window][-1]))
    return Diffusion(lag, msd, Estimate(value, value - half, value + half), fit)


def _slope(x: Array, y: Array) -> float:
    return float(np.polyfit(x, y, 1)[0])
