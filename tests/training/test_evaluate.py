"""Errors are what numpy says they are; batches change nothing; labels that are not there are not counted."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

import argon
import laws
from lampion.training.data.frames import Frames
from lampion.training.data.graphs import build_graphs
from lampion.training.evaluation.energy_shift import energy_shifts, offset_share, without_shifts
from lampion.training.evaluation.error_tables import error_table, force_bins, grouped_tables
from lampion.training.evaluation.predictions import Parity, batches, evaluate

TOL = laws.TOLERANCE[torch.float64]
NAMES = ("A", "B")


def two_types(n_frames: int = 6, seed: int = 0) -> Frames:
    """Labelled frames of 4 and 32 atoms of two types, in turns."""
    rng = np.random.default_rng(seed)
    parts = [argon.crystal_frames(n_frames, cells=cells, seed=seed) for cells in (1, 2)]
    counts = np.tile([4, 32], n_frames)
    order = [part for f in range(n_frames) for part in (parts[0].select([f]), parts[1].select([f]))]
    return Frames(
        type_names=NAMES,
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        types=rng.integers(0, 2, counts.sum()),
        positions=0.6 * np.concatenate([p.positions for p in order]),
        cell=0.6 * np.concatenate([p.cell for p in order]),
        pbc=np.ones((2 * n_frames, 3), dtype=bool),
        energy=rng.normal(size=2 * n_frames),
        forces=rng.normal(size=(counts.sum(), 3)),
        step=np.arange(2 * n_frames),
    )


def random_parity(n_frames: int = 40, seed: int = 0) -> Parity:
    """Predictions of a made-up model with known errors."""
    rng = np.random.default_rng(seed)
    atoms = rng.integers(3, 9, n_frames)
    energy, forces = rng.normal(size=n_frames), rng.normal(size=(atoms.sum(), 3)) * rng.lognormal(size=(atoms.sum(), 1))
    stress = rng.normal(size=(n_frames, 3, 3))
    return Parity(
        energy_reference=energy,
        energy_predicted=energy + 0.01 * rng.normal(size=n_frames),
        forces_reference=forces,
        forces_predicted=forces + 0.02 * rng.normal(size=forces.shape),
        stress_reference=stress,
        stress_predicted=stress + 0.003 * rng.normal(size=stress.shape),
        frame_atoms=atoms,
        types=rng.integers(0, 2, atoms.sum()),
    )


@pytest.fixture(scope="module")
def model():
    return laws.potential("float64")


def test_batches_predict_what_single_frames_do(model):
    frames = two_types()
    graphs = build_graphs(frames, laws.CUTOFF, torch.float64)
    together, alone = evaluate(model, graphs), [evaluate(model, [graph]) for graph in graphs]
    assert len(list(batches(graphs))) == 1
    for name in together.__dataclass_fields__:
        single = np.concatenate([getattr(parity, name) for parity in alone])
        np.testing.assert_allclose(getattr(together, name), single, rtol=TOL, atol=TOL, err_msg=name)
    np.testing.assert_array_equal(together.types, frames.types)
    np.testing.assert_array_equal(together.frame_atoms, frames.n_atoms)


def test_a_batch_holds_as_many_edges_as_allowed_and_at_least_one_frame():
    graphs = build_graphs(two_types(), laws.CUTOFF, torch.float64)
    size = [g.edge_index.shape[1] + len(g.types) for g in graphs]
    for limit in (1, max(size), 3 * max(size), sum(size)):
        found = list(batches(iter(graphs), limit))
        assert [g for batch in found for g in batch] == list(graphs)
        for batch, after in zip(found, [*found[1:], None], strict=True):
            total = sum(g.edge_index.shape[1] + len(g.types) for g in batch)
            assert total <= limit or len(batch) == 1
            if after:  # full: the next frame would not have fitted
                assert total + after[0].edge_index.shape[1] + len(after[0].types) > limit


def test_predicted_stress_is_the_strain_derivative_of_the_energy_over_the_volume(model):
    frames = two_types(1).select([1])
    parity = evaluate(model, build_graphs(frames, laws.CUTOFF, torch.float64))
    step, numeric = 1e-5, np.zeros((3, 3))
    for a, b in np.ndindex(3, 3):
        ends = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[a, b] += sign * step
            strained = replace(frames, positions=frames.positions @ strain, cell=frames.cell @ strain)
            found = evaluate(model, build_graphs(strained, laws.CUTOFF, torch.float64))
            ends.append(found.energy_predicted[0] * found.frame_atoms[0])
        numeric[a, b] = (ends[0] - ends[1]) / (2 * step) / np.linalg.det(frames.cell[0])
    np.testing.assert_allclose(parity.stress_predicted[0], numeric, atol=1e-6 * np.abs(numeric).max())


def test_the_table_is_what_numpy_says():
    parity = random_parity()
    table = error_table(parity, NAMES)
    energy = 1e3 * (parity.energy_predicted - parity.energy_reference)
    forces = 1e3 * (parity.forces_predicted - parity.forces_reference)
    assert table["n_frames"] == 40
    assert table["n_atoms"] == parity.frame_atoms.sum()
    assert table["energy"]["mae_meV_per_atom"] == pytest.approx(np.mean(np.abs(energy)))
    assert table["energy"]["rmse_meV_per_atom"] == pytest.approx(np.sqrt(np.mean(energy**2)))
    assert table["energy"]["mae_meV"] == pytest.approx(np.mean(np.abs(energy * parity.frame_atoms)))
    assert table["energy"]["bias_meV_per_atom"] == pytest.approx(np.mean(energy))
    assert table["forces"]["mae_meV_per_A"] == pytest.approx(np.mean(np.abs(forces)))
    assert table["forces"]["rmse_meV_per_A"] == pytest.approx(np.sqrt(np.mean(forces**2)))
    assert table["forces"]["max_meV_per_A"] == np.abs(forces).max()
    assert table["forces"]["per_element"]["B"]["mae_meV_per_A"] == pytest.approx(
        np.mean(np.abs(forces[parity.types == 1]))
    )
    stress = parity.stress_predicted - parity.stress_reference
    assert table["stress"]["rmse_meV_per_A3"] == pytest.approx(1e3 * np.sqrt(np.mean(stress**2)))
    assert table["stress"]["mae_GPa"] == pytest.approx(160.2176634 * np.mean(np.abs(stress)), rel=1e-6)
    assert parity.errors["forces_mae_meV_per_A"] == table["forces"]["mae_meV_per_A"]


def test_parts_make_the_whole():
    """Squared errors add up over elements, bins of force and sizes of frames."""
    parity = random_parity()
    table = error_table(parity, NAMES)
    whole = table["forces"]["rmse_meV_per_A"] ** 2 * table["n_atoms"]
    sizes = grouped_tables(parity, "size")
    assert [row["size"] for row in sizes] == sorted(set(parity.frame_atoms.tolist()))
    for rows in (table["forces"]["per_element"].values(), table["forces"]["per_norm_bin"]):
        assert sum(row["rmse_meV_per_A"] ** 2 * row["n_atoms"] for row in rows) == pytest.approx(whole)
    assert sum(row["forces"]["mae_meV_per_A"] * row["n_atoms"] for row in sizes) == pytest.approx(
        table["forces"]["mae_meV_per_A"] * table["n_atoms"]
    )
    assert sum(row["n_frames"] for row in sizes) == 40


def test_bins_of_different_sets_are_the_same_bins():
    parity = random_parity()
    weak = replace(parity, forces_reference=0.1 * parity.forces_reference)
    strong_bins, weak_bins = (
        {(row["from_eV_per_A"], row["to_eV_per_A"]) for row in force_bins(p)[1:]} for p in (parity, weak)
    )
    half_decades = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]
    assert strong_bins & weak_bins
    assert strong_bins | weak_bins <= set(pairwise(half_decades))


def test_missing_labels_are_not_counted_and_bad_predictions_are():
    parity = random_parity()
    first = parity.frame_of_atom == 0
    parity.energy_reference[0], parity.forces_reference[first], parity.stress_reference[1:] = np.nan, np.nan, np.nan
    rest = error_table(parity.select(np.arange(40) > 0), NAMES)
    table = error_table(parity, NAMES)
    assert table["energy"] == rest["energy"]
    assert table["forces"] == rest["forces"]
    assert table["stress"]["n_frames"] == 1
    nothing = replace(parity, energy_reference=np.full(40, np.nan), stress_reference=np.full((40, 3, 3), np.nan))
    assert error_table(nothing, NAMES)["energy"]["mae_meV"] is None
    assert error_table(nothing, NAMES)["stress"] is None
    parity.forces_predicted[-1] = np.nan
    assert np.isnan(parity.errors["forces_mae_meV_per_A"])


def test_another_zero_of_energy_is_found_and_removed():
    parity = random_parity()
    n_b = np.bincount(parity.frame_of_atom, parity.types)
    n_a = parity.frame_atoms - n_b
    moved = replace(parity, energy_predicted=parity.energy_predicted + (7.0 * n_a - 2.0 * n_b) / parity.frame_atoms)
    shifts = energy_shifts(moved, NAMES)
    assert shifts["A"] == pytest.approx(7.0, abs=0.02)
    assert shifts["B"] == pytest.approx(-2.0, abs=0.02)
    np.testing.assert_allclose(
        without_shifts(moved, shifts, NAMES).energy_predicted, parity.energy_predicted, atol=0.02
    )
    assert offset_share(moved, shifts, NAMES) > 100
    assert offset_share(parity, energy_shifts(parity, NAMES), NAMES) < 1.5
    assert offset_share(moved.select(np.arange(40) < 5), shifts, NAMES) == 1.0  # too few frames to tell


def test_elements_in_one_proportion_share_the_shift():
    parity = random_parity()
    water = replace(
        parity, frame_atoms=np.full(40, 3), types=np.tile([0, 0, 1], 40),
        forces_reference=np.zeros((120, 3)), forces_predicted=np.zeros((120, 3)),
        energy_predicted=parity.energy_reference + 1.0,
    )  # fmt: skip
    shifts = energy_shifts(water, NAMES)
    assert 2 * shifts["A"] + shifts["B"] == pytest.approx(3.0)
    np.testing.assert_allclose(without_shifts(water, shifts, NAMES).energy_predicted, water.energy_reference)
