"""Every figure draws what it is given."""

import numpy as np
import pytest

from lampion.analysis import figures

X = np.linspace(0.0, 5.0, 30)
BOTH = {"learned": (X, X), "reference": (X, 2.0 * X)}


@pytest.mark.parametrize("draw", [figures.energy, figures.temperature, figures.displacement])
def test_each_side_is_a_line_with_its_colour(draw):
    (axes,) = draw(BOTH).axes
    shown = {line.get_label(): line for line in axes.lines if line.get_label() in BOTH}
    assert {name: line.get_color() for name, line in shown.items()} == figures.COLOURS
    ratio = shown["reference"].get_ydata()[1:] / shown["learned"].get_ydata()[1:]
    np.testing.assert_allclose(ratio, 2.0)


def test_tiny_energies_are_shown_in_micro_electronvolts():
    (axes,) = figures.energy({"learned": (X, 1e-4 * X)}).axes
    assert "µeV" in axes.get_ylabel()
    assert max(axes.lines[-1].get_ydata()) == pytest.approx(0.5)


def test_structure_has_a_difference_panel_for_two():
    curve = {"r_A": X.tolist(), "g": X.tolist(), "error": (0.1 * X).tolist()}
    shifted = {**curve, "g": (X + 0.25).tolist()}
    assert len(figures.structure({"learned": curve}, "Ar-Ar").axes) == 1
    _, below = figures.structure({"learned": shifted, "reference": curve}, "Ar-Ar").axes
    np.testing.assert_allclose(below.lines[-1].get_ydata(), 0.25)


def test_parity_states_its_errors():
    reference = np.linspace(-1.0, 1.0, 100)
    figure = figures.parity_forces(reference, reference + 0.002)
    assert "MAE 2 meV/Å\nRMSE 2 meV/Å\nn = 100" in figure.axes[0].texts[0].get_text()
    energies = figures.parity_energy(reference, reference - 0.001)
    assert "MAE 1 meV/atom" in energies.axes[0].texts[0].get_text()


def test_many_points_become_a_density():
    reference = np.random.default_rng(1).normal(size=5000)
    assert figures.parity_forces(reference, reference).axes[0].collections[0].get_array().sum() == 5000


def test_guide_has_slope_two():
    law = {"time_step_ps": [0.008, 0.004, 0.002], "fluctuation_meV_per_atom": [16.0, 4.0, 1.0], "deviation": 0.0}
    guide, data, *_ = figures.timestep({"learned": law}).axes[0].lines
    np.testing.assert_allclose(guide.get_ydata(), data.get_ydata())


def test_learning_curve_without_training_errors_draws_validation():
    metrics = {"step": X + 1.0, "valid_forces_mae_meV_per_A": X + 1.0, "valid_energy_mae_meV_per_atom": X + 2.0}
    assert [len(axes.lines) for axes in figures.learning(metrics).axes] == [1, 1]
