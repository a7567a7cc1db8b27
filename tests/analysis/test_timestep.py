"""The dt² law for integrators whose behaviour is known, with physical_validation as the oracle."""

import contextlib
import io

import numpy as np
import pytest

from lampion.analysis.timestep import timestep_law

STEPS = [0.16, 0.08, 0.04, 0.02]


def verlet(dt: float, cutoff_jump: float = 0.0) -> np.ndarray:
    """Total energy of an oscillator (m = k = 1) by velocity Verlet; beyond x = 0.5 its energy jumps without a force."""
    x, v, energies = 1.0, 0.0, []
    for _ in range(round(200.0 / dt)):
        v -= 0.5 * dt * x
        x += dt * v
        v -= 0.5 * dt * x
        energies.append(0.5 * (x * x + v * v) + cutoff_jump * (x > 0.5))
    return np.array(energies)


def test_velocity_verlet_obeys():
    law = timestep_law(STEPS, [verlet(dt) for dt in STEPS])
    assert law.deviation < 0.02
    assert law.fluctuation[0] / law.fluctuation[-1] == pytest.approx(64.0, rel=0.05)


def test_an_energy_jump_without_a_force_fails():
    law = timestep_law(STEPS, [verlet(dt, cutoff_jump=0.05) for dt in STEPS])
    assert law.deviation == pytest.approx(0.75, abs=0.02)


def test_order_of_the_runs_does_not_matter():
    energies = [verlet(dt) for dt in STEPS]
    turned = timestep_law(STEPS[::-1], energies[::-1])
    assert turned.deviation == timestep_law(STEPS, energies).deviation
    assert list(turned.time_step) == STEPS


@pytest.mark.parametrize("jump", [0.0, 0.001, 0.05])
def test_agrees_with_physical_validation(jump: float):
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        validation = pytest.importorskip("physical_validation")
    energies = [verlet(dt, jump) for dt in STEPS]
    simulations = [
        validation.data.SimulationData(dt=dt, observables=validation.data.ObservableData(constant_of_motion=energy))
        for dt, energy in zip(STEPS, energies, strict=True)
    ]
    expected = validation.integrator.convergence(simulations, verbose=False)
    assert timestep_law(STEPS, energies).deviation == pytest.approx(expected, rel=1e-12)


def test_two_steps_are_refused():
    with pytest.raises(ValueError, match="3 or more different time steps"):
        timestep_law(STEPS[:2], [verlet(dt) for dt in STEPS[:2]])


def test_a_constant_energy_is_refused():
    with pytest.raises(ValueError, match="constant or not finite"):
        timestep_law(STEPS[:3], [np.zeros(10)] * 3)
