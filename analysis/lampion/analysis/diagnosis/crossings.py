"""Pairs that cross the cutoff: the jump of energy and force there, and how much of the energy's changes it explains."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pull:
    """A pair that was pulled through the cutoff where it stood, among all its neighbours.

    Attributes:
        pair: names of the two types.
        distance: Å, at which the run has it.
        energy: eV, lost when it is outside, beside the work of the force.
        force: eV/Å, along the pair, lost likewise.
    """

    pair: str
    distance: float
    energy: float
    force: float

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "pair": self.pair,
            "distance_A": self.distance,
            "energy_jump_eV": self.energy,
            "force_jump_eV_per_A": self.force,
        }


@dataclass(frozen=True)
class Cutoff:
    """What the cutoff does to a run.

    Attributes:
        radius: Å.
        pulls: of the pairs nearest to it, a few of every two types; none where no pair of the run comes near it.
        scale: rms force of the run, eV/Å.
    """

    radius: float
    pulls: Sequence[Pull]
    scale: float

    #: a jump as large as the work of a typical force over this length (Å), or the force by this share, is one
    TOLERANCE = 1e-4

    @property
    def energy(self) -> float:
        """Largest jump of the energy, eV."""
        return max((abs(pull.energy) for pull in self.pulls), default=0.0)

    @property
    def force(self) -> float:
        """Largest jump of a force, eV/Å."""
        return max((abs(pull.force) for pull in self.pulls), default=0.0)

    @property
    def jumps(self) -> bool:
        """Whether the energy does."""
        return self.energy > self.TOLERANCE * self.scale

    @property
    def force_jumps(self) -> bool:
        """Whether the force does."""
        return self.force > self.TOLERANCE * self.scale


@dataclass(frozen=True)
class Accounted:
    """Changes of the energy put down to pairs that came or went.

    Attributes:
        share: of the variance of the energy's changes from step to step.
        correction: (n,) eV, what to take from the energy.
    """

    share: float
    correction: Array


def account(energy: Array, counts: Array) -> Accounted:
    """Least squares of the energy's changes from step to step on those of the numbers of pairs within the cutoff.

    Changes and not the values: two series that both wander correlate without having to do with each other.

    Args:
        energy: (n - 2,) shadow energy, eV. counts: (n, n_kinds) at every step.
    """
    # A jump of the potential energy shows in the shadow energy of three steps.
    seen = counts[1:-1] + (counts[2:] - 2.0 * counts[1:-1] + counts[:-2]) / 12.0
    changes, crossings = np.diff(energy), np.diff(seen, axis=0)
    jumps = np.linalg.lstsq(crossings, changes, rcond=None)[0]
    left, whole = changes - crossings @ jumps, float(changes @ changes)
    share = 1.0 - float(left @ left) / whole if whole > 0.0 else 0.0
    return Accounted(share, (counts - counts[0]) @ jumps)
