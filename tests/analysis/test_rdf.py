"""g(r) of an ideal gas, of a crystal, and by MDAnalysis's own InterRDF."""

import numpy as np
import pytest
from ase.build import bulk
from MDAnalysis.analysis.rdf import InterRDF

from lampion.analysis.rdf import Structure, expected_noise, largest_radius, mean_absolute_error, pair_structures

CUBE = [20.0, 20.0, 20.0, 90.0, 90.0, 90.0]
TILTED = [20.0, 20.0, 20.0, 80.0, 75.0, 70.0]


def ideal_gas(seed: int, n_frames: int = 40, n_atoms: int = 300) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.0, 20.0, size=(n_frames, n_atoms, 3))


def test_ideal_gas_is_flat(universe):
    labels = np.array(["Ar"] * 300)
    found = pair_structures(universe(ideal_gas(1), CUBE), labels, r_max=9.5)["Ar-Ar"]
    outer = found.r > 3.0
    assert found.g[outer].mean() == pytest.approx(1.0, abs=2e-3)
    inside = np.abs(found.g[outer] - 1.0) <= found.error[outer]
    assert 0.85 <= inside.mean() <= 1.0


def test_fcc_shells_hold_12_6_24_neighbours(universe):
    crystal = bulk("Ar", "fcc", a=5.26, cubic=True).repeat(4)
    positions = np.repeat(crystal.positions[None] + 0.01, 4, axis=0)
    structure = pair_structures(universe(positions, [4 * 5.26] * 3 + [90.0] * 3), np.array(["Ar"] * 256), r_max=7.0)
    found = structure["Ar-Ar"]
    shell = 4.0 / 3.0 * np.pi * np.diff((np.arange(len(found.r) + 1) * 0.1) ** 3)
    neighbours = found.g * shell * 255 / crystal.get_volume()
    for distance, number in ((5.26 / np.sqrt(2.0), 12), (5.26, 6), (5.26 * np.sqrt(1.5), 24)):
        near = np.abs(found.r - distance) < 0.15
        assert neighbours[near].sum() == pytest.approx(number, rel=1e-6)
    assert neighbours.sum() == pytest.approx(42, rel=1e-6)


@pytest.mark.parametrize("box", [CUBE, TILTED])
def test_agrees_with_mdanalysis(universe, box: list[float]):
    made = universe(ideal_gas(2, n_frames=4), box)
    labels = np.array(["Ar"] * 100 + ["Kr"] * 200)
    found = pair_structures(made, labels, r_max=8.0)["Ar-Kr"]
    oracle = InterRDF(made.atoms[:100], made.atoms[100:], nbins=80, range=(0.0, 8.0)).run()
    np.testing.assert_allclose(found.g, oracle.results.rdf, rtol=1e-5)


def test_mean_absolute_error_of_shifted_curves():
    r = np.arange(10.0)
    one, other = Structure(r, np.ones(10), np.zeros(10)), Structure(r, np.linspace(0.9, 1.1, 10), np.zeros(10))
    assert mean_absolute_error(one, one) == 0.0
    assert mean_absolute_error(one, other) == pytest.approx(np.abs(np.linspace(-0.1, 0.1, 10)).mean())


def test_two_runs_of_one_system_differ_by_the_expected_noise(universe):
    labels = np.array(["Ar"] * 300)
    one, other = (pair_structures(universe(ideal_gas(s), CUBE), labels, r_max=9.5)["Ar-Ar"] for s in (3, 4))
    assert mean_absolute_error(one, other) == pytest.approx(expected_noise(one, other), rel=0.35)


def test_radius_is_half_the_shortest_height_and_at_most_ten():
    boxes = np.array([[12.0, 30.0, 30.0, 90.0, 90.0, 90.0], [14.0, 30.0, 30.0, 90.0, 90.0, 90.0]])
    assert largest_radius(boxes) == pytest.approx(6.0)
    assert largest_radius(np.array([[14.0, 30.0, 30.0, 90.0, 90.0, 60.0]])) == pytest.approx(7.0 * np.sin(np.pi / 3))
    assert largest_radius(boxes * np.array([10, 10, 10, 1, 1, 1])) == 10.0
