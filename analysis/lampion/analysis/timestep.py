"""The dt² law: halve the time step and the energy error must fall to a quarter."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TimestepLaw:
    """`time_step` (n,) ps, falling; `fluctuation` (n,) rms of the energy about its mean; `deviation` a pure number."""

    time_step: Array
    fluctuation: Array
    deviation: float


def timestep_law(time_steps: list[float], energies: list[Array]) -> TimestepLaw:
    """Test δE ∝ dt² over runs that differ only in their time step.

    deviation = max_k |1 - (δE_k / δE_{k+1}) / (dt_k / dt_{k+1})²| over successive steps dt_1 > dt_2 > ..., with
    δE the standard deviation of the conserved energy. 0 is the law of velocity Verlet; 0.75 is an energy error that
    does not depend on the step when it is halved: the forces are not the derivative of the energy.

    Args:
        time_steps: at least 3, all different, ps.
        energies: the conserved energy of each run, (n_k,).
    Raises:
        ValueError: fewer than 3 time steps, equal ones, or an energy that never changes.
    Source: Merz and Shirts, PLoS ONE 13, e0202764 (2018).
    """
    steps = np.asarray(time_steps, dtype=np.float64)
    if len(steps) < 3 or len(np.unique(steps)) != len(steps):
        raise ValueError(f"the dt² law needs runs at 3 or more different time steps, got {sorted(time_steps)} ps")
    order = np.argsort(steps)[::-1]
    falling, rms = steps[order], np.array([energies[i].std() for i in order])
    if not (np.isfinite(rms).all() and (rms > 0).all()):
        raise ValueError(
            "the energy of one run is constant or not finite: print thermo with more digits and more often"
        )
    ratio = (rms[:-1] / rms[1:]) / (falling[:-1] / falling[1:]) ** 2
    return TimestepLaw(falling, rms, float(np.abs(1.0 - ratio).max()))
