"""Short runs at constant energy that differ in one thing, and how fast each of them gains or loses energy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lampion.analysis.blocks import Estimate
from lampion.analysis.stability.energies import robust_drift

Array = NDArray[np.float64]

#: eV of 1 (eV/Å)² / (g/mol) ps²
ACCELERATION = 1.0 / 1.0364269e-4
#: |drift| below which nobody need care, meV/atom/ps: the criterion of the drift of a run
NEGLIGIBLE = 0.002
#: scatter below which nobody need care, meV/atom
QUIET = 0.01
#: what a cause makes larger at least as many times
SHARE_LEFT = 4.0
_MEV = 1000.0


@dataclass(frozen=True)
class Segment:
    """One of them; energies in meV/atom.

    Attributes:
        name: what differs from the run.
        time_step: ps.
        time: (n,) ps. shadow: (n,) energy that velocity Verlet conserves, from its first value.
        total: (n + 2,) kinetic and potential energy at every step.
        drift: slope of `shadow`, meV/atom/ps.
    """

    name: str
    time_step: float
    time: Array
    shadow: Array
    total: Array
    drift: Estimate

    @property
    def fluctuation(self) -> float:
        """Rms of the total energy about its mean."""
        return float(self.total.std())

    @property
    def scatter(self) -> float:
        """Rms of the shadow energy about its mean: what is left beside the error of the integrator."""
        return float(self.shadow.std())

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "time_step_ps": self.time_step,
            "steps": len(self.time) + 1,
            "drift": self.drift.as_dict(),
            "fluctuation_meV_per_atom": self.fluctuation,
            "scatter_meV_per_atom": self.scatter,
        }


def shadow_energy(potential: Array, kinetic: Array, pull: Array, time_step: float) -> Array:
    """The energy that velocity Verlet conserves to fourth order of the time step, at all steps but the first and last.

        H = K + U + (U_+ - 2 U + U_-) / 12 + dt²/24 Σ_i |F_i|²/m_i

    U_± are the potential energies one step on and back. The total energy of a sound run swings with dt² about it,
    which hides a slow drift from a short run; the slopes of both are the same in the long run. For a harmonic
    oscillator it is conserved up to dt⁴.

    Args:
        potential, kinetic: (n,) eV at every step. pull: (n,) Σ |F|²/m in (eV/Å)²/(g/mol). time_step: ps.
    Returns:
        (n - 2,) eV.
    Source: Skeel and Hardy, SIAM Journal on Scientific Computing 23, 1172 (2001); Engle, Skeel and Drees, Journal of
    Computational Physics 206, 432 (2005).
    """
    bend = potential[2:] - 2.0 * potential[1:-1] + potential[:-2]
    correction = bend / 12.0 + time_step**2 / 24.0 * ACCELERATION * pull[1:-1]
    return (potential + kinetic)[1:-1] + correction


def segment(
    name: str, table: dict[str, Array], time_step: float, n_atoms: int, correction: Array | None = None
) -> Segment:
    """Judge a segment.

    Args:
        table: `pe`, `ke`, `pull` at every step as `shadow_energy` takes them.
        correction: (n,) eV, taken from the energy: a part of its changes that is accounted for.
    """
    potential: Array = table["pe"] if correction is None else table["pe"] - correction
    shadow = shadow_energy(potential, table["ke"], table["pull"], time_step) * _MEV / n_atoms
    time: Array = time_step * np.arange(1.0, len(shadow) + 1.0)
    total: Array = (potential + table["ke"]) * _MEV / n_atoms
    return Segment(name, time_step, time, shadow - shadow[0], total, robust_drift(time, shadow))


def significant(drift: Estimate) -> bool:
    """Whether zero lies outside its interval and it is large enough to matter."""
    return abs(drift.value) >= NEGLIGIBLE and not drift.low <= 0.0 <= drift.high


def removes(changed: Segment, base: Segment) -> bool:
    """Whether a change took away what is wrong with the energy of a segment, its drift or else its scatter.

    At most a quarter is left; the intervals of two drifts must also lie apart.
    """
    if not significant(base.drift):
        return changed.scatter <= base.scatter / SHARE_LEFT
    drift, before = changed.drift, base.drift
    apart = drift.high < before.low or before.high < drift.low
    return abs(drift.value) <= abs(before.value) / SHARE_LEFT and apart
