"""Frames whose energy or forces stand out."""

from dataclasses import dataclass

import numpy as np

from lampion.training.data.frames import Floats, Frames, composition, mean_energy_per_type

#: a standard deviation in units of the median absolute deviation, for a normal distribution
NORMAL = 1.4826


@dataclass(frozen=True)
class Outlier:
    """One label that stands out.

    Attributes:
        frame: its number.
        what: "energy", or "force on an H".
        value: eV/atom beyond the energy of the composition, or eV/Å.
        z: robust standard score.
    """

    frame: int
    what: str
    value: float
    z: float


def find_outliers(frames: Frames, threshold: float) -> list[Outlier]:
    """Energies per atom and largest forces per element beyond a robust z-score, the worst first."""
    found = _energies(frames, threshold) + _forces(frames, threshold)
    return sorted(found, key=lambda outlier: -abs(outlier.z))


def scale_of(values: Floats) -> tuple[float, float]:
    """Median, and the median absolute deviation as a standard deviation.

    The bulk sets the scale, so that a few wild labels do not hide themselves by widening it (Iglewicz and Hoaglin,
    How to Detect and Handle Outliers, 1993).
    """
    median = float(np.median(values))
    return median, NORMAL * float(np.median(np.abs(values - median)))


def _energies(frames: Frames, threshold: float) -> list[Outlier]:
    """Energy per atom after the least-squares energy of the composition is taken off."""
    excess = (np.asarray(frames.energy) - composition(frames) @ mean_energy_per_type(frames)) / frames.n_atoms
    return _beyond(excess, excess, threshold, "energy")


def _forces(frames: Frames, threshold: float) -> list[Outlier]:
    """For each element, frames whose largest force norm stands out among all force norms of the element."""
    norms = np.concatenate([np.linalg.norm(chunk.forces, axis=1) for chunk in frames.chunks()])
    frame_of_atom = np.repeat(np.arange(len(frames)), frames.n_atoms)
    found: list[Outlier] = []
    for t, name in enumerate(frames.type_names):
        mine = np.flatnonzero(frames.types == t)
        if len(mine):
            largest = np.zeros(len(frames))
            np.maximum.at(largest, frame_of_atom[mine], norms[mine])
            found += _beyond(largest, norms[mine], threshold, f"force on {name}")
    return found


def _beyond(values: Floats, population: Floats, threshold: float, what: str) -> list[Outlier]:
    """Values (one per frame) beyond a score; none if more than half of the population is one and the same number."""
    median, scale = scale_of(population)
    if scale < 1e-12:
        return []
    z = (values - median) / scale
    # largest forces below the median are no outliers: a frame may hold few atoms of the element
    far = np.flatnonzero(np.abs(z) > threshold) if values is population else np.flatnonzero(z > threshold)
    return [Outlier(int(f), what, float(values[f]), float(z[f])) for f in far]
