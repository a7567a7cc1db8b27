"""Free flight, random walk, and MDAnalysis's EinsteinMSD."""

import numpy as np
import pytest
from MDAnalysis.analysis.msd import EinsteinMSD

from lampion.analysis.msd import diffusion, mean_square_displacement


def random_walk(seed: int, n_frames: int, n_atoms: int, step: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=step, size=(n_frames, n_atoms, 3)).cumsum(axis=0)


def test_free_flight_grows_with_the_square_of_time():
    time = 0.1 * np.arange(60)
    velocity = np.random.default_rng(1).normal(size=(50, 3))
    msd = mean_square_displacement(time[:, None, None] * velocity)
    np.testing.assert_allclose(msd, (velocity**2).sum(axis=1).mean() * time**2, rtol=1e-9, atol=1e-9)


def test_random_walk_diffuses_as_six_d_t():
    """Steps of variance s² per direction every dt: D = s²/(2 dt)."""
    time, s = 0.05 * np.arange(400), 0.1
    expected = s**2 / (2 * 0.05)
    hits = 0
    for seed in range(40):
        found = diffusion(time, random_walk(seed, 400, 50, s))
        assert found.coefficient.value == pytest.approx(expected, rel=0.25)
        hits += found.coefficient.low <= expected <= found.coefficient.high
    assert hits >= 34


def test_agrees_with_mdanalysis(universe):
    walk = random_walk(2, 30, 20, 0.3)
    oracle = EinsteinMSD(universe(walk, [100.0] * 3 + [90.0] * 3), fft=False).run()
    np.testing.assert_allclose(mean_square_displacement(walk), oracle.results.timeseries, rtol=1e-4, atol=1e-5)


def test_lags_of_the_fit_are_reported():
    found = diffusion(0.05 * np.arange(400), random_walk(3, 400, 5, 0.1))
    assert found.fit == pytest.approx((0.8, 2.35))


def test_short_runs_are_refused():
    with pytest.raises(ValueError, match="at least 50 frames, the dump has 10"):
        diffusion(np.arange(10.0), random_walk(1, 10, 2, 0.1))


def test_uneven_frames_are_refused():
    time = np.arange(60.0)
    time[30:] += 5.0
    with pytest.raises(ValueError, match="not equally spaced"):
        diffusion(time, random_walk(1, 60, 2, 0.1))
