"""Failures planted at a known frame: found at that frame, for that cause, and none where nothing happens."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import molecule

import planted
from lampion.analysis.stability import PRESETS, Cause, Failure
from lampion.analysis.stability.conformations import conformational_changes, dihedral
from lampion.analysis.stability.geometry import geometry_failures
from lampion.analysis.stability.state import state_failures
from lampion.analysis.stability.trajectory import Trajectory
from planted import C1, C2, FS, H_OF_O, OXYGEN

LAMPION = PRESETS["lampion"]


def first(trajectory: Trajectory, preset: str = "lampion") -> Failure | None:
    found = geometry_failures(1, trajectory, PRESETS[preset])
    return min(found, key=lambda failure: failure.time, default=None)


def moved(trajectory: Trajectory, atoms: list[int], shift: np.ndarray, frames: slice) -> Trajectory:
    positions = trajectory.positions.copy()
    positions[frames, atoms] += shift
    return replace(trajectory, positions=positions)


def away(atom: int, origin: int, length: float) -> np.ndarray:
    vector = planted.ETHANOL.positions[atom] - planted.ETHANOL.positions[origin]
    return length * vector / np.linalg.norm(vector)


def test_no_false_alarm_on_vibrations():
    for seed in range(100):
        assert first(planted.ethanol(1000, step=0.005, seed=seed)) is None
        assert first(planted.ethanol(1000, step=0.005, seed=seed), "mdsim") is None
        assert first(planted.ethanol(1000, step=0.005, seed=seed), "mlipaudit") is None


@pytest.mark.parametrize("step", [FS, 0.004])
def test_a_hydrogen_pulled_off(step: float):
    trajectory = moved(planted.ethanol(200, step=step), [H_OF_O], away(H_OF_O, OXYGEN, 1.0), slice(77, None))
    found = first(trajectory)
    assert found is not None
    assert (found.cause, found.criterion, found.pair) == (Cause.HYDROGEN_LOSS, "bonds", (OXYGEN + 1, H_OF_O + 1))
    assert found.time == pytest.approx(77 * step)


@pytest.mark.parametrize(("frames", "fails"), [(50, False), (51, True)])
def test_a_hydrogen_that_comes_back_in_less_than_the_persistence_never_left(frames: int, fails: bool):
    trajectory = moved(planted.ethanol(300), [H_OF_O], away(H_OF_O, OXYGEN, 1.0), slice(100, 100 + frames))
    trajectory = moved(trajectory, [H_OF_O], away(H_OF_O, OXYGEN, 1.0), slice(200, 240))
    assert (first(trajectory) is not None) == fails


def test_a_methyl_group_that_leaves():
    ethyl = [atom for atom in range(9) if planted.ETHANOL.get_distance(C2, atom) < 1.2]
    found = first(moved(planted.ethanol(200), ethyl, away(C2, C1, 1.5), slice(60, None)))
    assert found is not None
    assert (found.cause, found.pair, found.time) == (Cause.CLEAVAGE, (C2 + 1, C1 + 1), pytest.approx(0.060))


def test_a_hydrogen_that_enters_the_oxygen():
    h = next(atom for atom in range(4, 9) if planted.ETHANOL.get_distance(C1, atom) < 1.2)
    trajectory = planted.ethanol(200)
    positions = trajectory.positions.copy()
    # Between carbon and oxygen: bonded to both, 1.43 Å apart.
    middle = positions[80:, C1] + 0.55 * (positions[80:, OXYGEN] - positions[80:, C1])
    positions[80:, h] = middle + np.array([0.0, 0.0, 0.75])
    found = first(replace(trajectory, positions=positions))
    assert found is not None
    assert (found.cause, found.pair) == (Cause.HYDROGEN_ENTRY, (OXYGEN + 1, h + 1))
    assert found.time == pytest.approx(0.080)


def zundel(n_frames: int, donated: slice) -> Trajectory:
    """H5O2+ with the shared proton (atom 7) 1.0 Å from one oxygen, and from the other one while donated."""
    water = molecule("H2O").positions
    rest = np.concatenate([water, water @ np.diag([1, 1, -1]) + [0, 0, 2.9], [[0, 0, 1.12]]])
    trajectory = planted.vibration(("O", "H", "H", "O", "H", "H", "H"), rest, n_frames)
    oxygen = [trajectory.positions[0, atom, 2] for atom in (0, 3)]
    return moved(trajectory, [6], np.array([0, 0, 0.78 * np.sign(oxygen[1] - oxygen[0])]), donated)


def test_a_proton_that_hops_and_comes_back_is_no_failure():
    assert first(zundel(300, slice(100, 140))) is None


def test_a_proton_that_stays_is_a_transfer():
    found = first(zundel(300, slice(100, None)))
    assert found is not None
    assert found.cause is Cause.PROTON_TRANSFER
    assert found.time == pytest.approx(0.100, abs=0.003)


def test_a_ring_that_opens():
    ring = molecule("C3H6_D3h")
    trajectory = planted.vibration(ring.get_chemical_symbols(), ring.positions, 200)
    side = [0, *(atom for atom in range(3, 9) if ring.get_distance(0, atom) < 1.2)]
    outward = ring.positions[0] - ring.positions[1]
    found = first(moved(trajectory, side, 1.1 * outward / np.linalg.norm(outward), slice(50, None)))
    assert found is not None
    assert (found.cause, found.pair, found.time) == (Cause.RING_OPENING, (1, 2), pytest.approx(0.050))


def test_molecules_that_merge():
    rest = np.array([[0.0, 0, 0], [1.1, 0, 0], [0, 3, 0], [1.1, 3, 0]])
    trajectory = planted.vibration(("N",) * 4, rest, 200)
    found = first(moved(trajectory, [2, 3], np.array([0, -1.7, 0]), slice(90, None)))
    assert found is not None
    assert (found.cause, found.time) == (Cause.MERGING, pytest.approx(0.090))


def test_atoms_that_collide():
    trajectory = planted.ethanol(200)
    h, k = (atom for atom in range(3, 9) if planted.ETHANOL.get_distance(C1, atom) < 1.2)
    positions = trajectory.positions.copy()
    positions[120:, h] = positions[120:, k] + [0.25, 0, 0]
    found = list(geometry_failures(1, replace(trajectory, positions=positions), LAMPION))
    collision = next(failure for failure in found if failure.cause is Cause.COLLISION)
    assert (collision.pair, collision.time, collision.value) == (
        (h + 1, k + 1),
        pytest.approx(0.120),
        pytest.approx(0.25),
    )


def test_positions_that_are_no_numbers():
    trajectory = planted.ethanol(100)
    trajectory.positions[41:, 3, 1] = np.nan
    found = first(trajectory)
    assert found is not None
    assert (found.cause, found.criterion, found.time) == (Cause.EXPLOSION, "nonfinite", pytest.approx(0.041))


def test_forces_by_the_largest_one_and_by_the_norm_of_the_gradient():
    trajectory = replace(planted.ethanol(100), forces=np.full((100, 9, 3), 1.0))
    assert trajectory.forces is not None
    trajectory.forces[30:] = 11.0  # norm 57 eV/Å of all, 19 of one atom
    trajectory.forces[60:, 0] = 70.0
    gradient, largest = first(trajectory, "gradient"), first(trajectory)
    assert gradient is not None
    assert largest is not None
    assert (gradient.time, gradient.value) == (pytest.approx(0.030), pytest.approx(11.0 * np.sqrt(27)))
    assert (largest.time, largest.value) == (pytest.approx(0.060), pytest.approx(70.0 * np.sqrt(3)))


def test_bond_lengths_and_loose_hydrogens_as_others_define_them():
    stretched = moved(planted.ethanol(100), [H_OF_O], away(H_OF_O, OXYGEN, 0.6), slice(30, 32))
    found = first(stretched, "mdsim")
    assert found is not None
    assert (found.cause, found.time) == (Cause.BOND_LENGTH, pytest.approx(0.030))
    gone = moved(planted.ethanol(100), [H_OF_O], away(H_OF_O, OXYGEN, 4.0), slice(40, None))
    back = moved(gone, [H_OF_O], away(H_OF_O, OXYGEN, -4.0), slice(99, None))
    found = first(gone, "mlipaudit")
    assert found is not None
    assert (found.cause, found.time) == (Cause.HYDROGEN_LOSS, pytest.approx(0.040))
    assert first(back, "mlipaudit") is None


def test_a_rotation_is_reported_and_not_failed():
    trajectory = planted.ethanol(200)
    positions = trajectory.positions.copy()
    turned = planted.ETHANOL.copy()
    turned.set_dihedral(C2, C1, OXYGEN, H_OF_O, turned.get_dihedral(C2, C1, OXYGEN, H_OF_O) + 120, indices=[H_OF_O])
    positions[70:, H_OF_O] += turned.positions[H_OF_O] - planted.ETHANOL.positions[H_OF_O]
    trajectory = replace(trajectory, positions=positions)
    assert first(trajectory) is None
    (change,) = conformational_changes(trajectory, LAMPION)
    assert (change.kind, change.time) == ("torsion", pytest.approx(0.070))
    assert set(change.atoms) >= {C1 + 1, OXYGEN + 1, H_OF_O + 1}
    assert conformational_changes(planted.ethanol(200), LAMPION) == []


def test_dihedral_is_that_of_ase():
    rng = np.random.default_rng(0)
    atoms = planted.ETHANOL.copy()
    for _ in range(20):
        atoms.positions = planted.ETHANOL.positions + rng.normal(0, 0.3, (9, 3))
        mine = np.degrees(dihedral(atoms.positions[None], (C2, C1, OXYGEN, H_OF_O))[0]) % 360
        assert mine == pytest.approx(atoms.get_dihedral(C2, C1, OXYGEN, H_OF_O), abs=1e-9)


def test_a_centre_turned_inside_out_is_reported():
    trajectory = planted.ethanol(200)
    positions = trajectory.positions.copy()
    h, k = (atom for atom in range(3, 9) if planted.ETHANOL.get_distance(C1, atom) < 1.2)
    positions[90:, [h, k]] = positions[90:, [k, h]]
    changes = conformational_changes(replace(trajectory, positions=positions), LAMPION)
    assert [(change.kind, change.atoms[0]) for change in changes] == [("inversion", C1 + 1)]
    assert changes[0].time == pytest.approx(0.090)


def failures(series, preset: str = "lampion") -> dict[str, Failure]:
    return {failure.criterion: failure for failure in state_failures(1, series, 9, PRESETS[preset])}


def test_a_steady_state_is_no_failure():
    assert all(not failures(planted.state(5000, seed=seed)) for seed in range(100))


@pytest.mark.parametrize("slope", [0.01, -0.01])
def test_a_drift_of_known_slope_is_found_when_it_crosses_the_limit(slope: float):
    found = failures(planted.state(1000, slope=slope))
    assert set(found) == {"drift"}
    # 90 meV of 9 atoms at 10 meV/ps, from the middle of the first stretch to that of the first one beyond
    assert found["drift"].time == pytest.approx(0.5 + 9.0 + 0.5, abs=0.55)
    assert found["drift"].cause is Cause.DRIFT
    assert not failures(planted.state(400, slope=slope))


def test_a_drift_needs_more_than_a_few_wild_samples():
    series = planted.state(1000)
    series.energy[500:520] += 5.0
    assert not failures(series)


def test_a_kick_and_a_jump_of_the_temperature():
    series = planted.state(500)
    series.temperature[321:] = 1400.0
    assert failures(series)["temperature"].time == pytest.approx(321 * 0.02)
    assert not failures(series, "mlipaudit")
    series.temperature[400] = 200_000.0
    assert failures(series, "mlipaudit")["temperature"].time == pytest.approx(400 * 0.02)


def test_forces_and_numbers_that_are_none_in_a_record():
    series = planted.state(500)
    series.force[200] = 60.0
    assert not failures(series)
    assert failures(series, "gradient")["force"].time == pytest.approx(4.0)
    series.energy[300] = np.nan
    assert failures(series)["nonfinite"].time == pytest.approx(6.0)
