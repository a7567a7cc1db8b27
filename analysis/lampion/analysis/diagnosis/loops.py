"""Forces against energy round closed loops in the space of all positions: is one the gradient of the other?"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Loop:
    """What a walk round a closed loop tells; all in units of the work done on the way, ∮ |F·dr|.

    Attributes:
        work: |∮ F·dr|, zero for the gradient of whatever energy.
        mismatch: max |E(s) - E(0) + ∫_0^s F·dr|, zero if the forces are the gradient of the energy that is reported.
        noise: the error of both: what half of the points give otherwise.
        path_eV: ∮ |F·dr|.
    """

    work: float
    mismatch: float
    noise: float
    path_eV: float  # noqa: N815 - a unit

    def as_dict(self) -> dict[str, float]:
        """Ready for JSON."""
        return asdict(self)

    def opens(self, tolerance: float) -> bool:
        """Whether the work differs from zero by more than rounding and quadrature can explain."""
        return not self.work <= max(tolerance, 10.0 * self.noise)

    def mismatches(self, tolerance: float) -> bool:
        """The same of work against energy."""
        return not self.mismatch <= max(tolerance, 10.0 * self.noise)


def circle(n_coordinates: int, n_points: int, radius: float, seed: int) -> tuple[Array, Array]:
    """A circle through the origin in a random plane.

    Returns:
        Displacements and their derivatives by the angle, (n_points, n_coordinates); each coordinate swings by `radius`
        in the mean square.
    """
    rng = np.random.default_rng(seed)
    plane, _ = np.linalg.qr(rng.normal(size=(n_coordinates, 2)))
    u, v = radius * np.sqrt(n_coordinates) * plane.T
    angle = 2.0 * np.pi * np.arange(n_points)[:, None] / n_points
    return (np.cos(angle) - 1.0) * u + np.sin(angle) * v, np.cos(angle) * v - np.sin(angle) * u


def walk(forces: Array, tangents: Array, energies: Array | None) -> Loop:
    """Judge a loop.

    Integrals are those of the Fourier series through the points, which converges faster than any power of their number
    where the forces are smooth.

    Args:
        forces, tangents: (n_points, n_coordinates), n_points even. energies: (n_points,), None of a model without one.
    """
    power = (forces * tangents).sum(axis=1)
    path = float(np.abs(power).mean() * 2.0 * np.pi) or 1.0
    work, mismatch = _errors(power, energies)
    coarse = _errors(power[::2], energies if energies is None else energies[::2])
    noise = max(abs(work - coarse[0]), abs(mismatch - coarse[1])) / path
    return Loop(abs(work) / path, mismatch / path, noise, path)


def _errors(power: Array, energies: Array | None) -> tuple[float, float]:
    work = float(power.mean() * 2.0 * np.pi)
    if energies is None:
        return work, 0.0
    return work, float(np.abs(energies - energies[0] + _integral(power)).max())


def _integral(power: Array) -> Array:
    """From 0 to every point: of the mean a straight line, of the rest its Fourier series divided by i k."""
    n = len(power)
    spectrum = np.fft.rfft(power)
    mean, order = spectrum[0].real / n, np.arange(len(spectrum))
    spectrum[0], spectrum[-1] = 0.0, 0.0
    swing = np.fft.irfft(spectrum / (1j * np.maximum(order, 1)), n)
    return mean * 2.0 * np.pi * np.arange(n) / n + swing - swing[0]
