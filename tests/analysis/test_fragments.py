"""Bonds that break, bonds across the boundary, atoms that stay alone, pairs that come too close."""

import numpy as np
import pytest
from ase.build import bulk
from MDAnalysis.lib.mdamath import triclinic_vectors

from lampion.analysis.fragments import ClosePairs, Fragments, breakage, radius_sums, unwrapped

BOX = [10.0, 10.0, 10.0, 90.0, 90.0, 90.0]


def test_two_atoms_leaving(universe):
    frames = np.zeros((5, 2, 3)) + 1.0
    frames[:, 1, 0] += [0.74, 0.74, 0.9, 2.0, 4.0]
    found = Fragments(universe(frames, BOX), np.array(["H", "H"])).run().results.compositions
    # 1.2 x 2 x 0.31 Å: a bond at 0.74 Å, none at 0.9 Å
    assert found == [{"H2": 1}, {"H2": 1}, {"H": 2}, {"H": 2}, {"H": 2}]
    broken = breakage(found)
    assert (broken.n_frames_changed, broken.first_frame, broken.seen) == (3, 2, {"H": 6})


def test_a_molecule_across_the_boundary_is_whole(universe):
    water = np.array([[9.9, 5.0, 5.0], [0.86, 5.0, 5.0], [9.66, 5.93, 5.0]])
    labels = np.array(["O", "H", "H"])
    (inside,) = Fragments(universe(water[None], BOX), labels).run().results.compositions
    assert inside == {"H2O": 1}
    (open_box,) = (
        Fragments(universe(water[None], [110.0, 10.0, 10.0, 90.0, 90.0, 90.0]), labels).run().results.compositions
    )
    assert open_box == {"H": 1, "HO": 1}


def test_a_molecule_across_a_skewed_boundary_is_put_together():
    box = np.array([10.0, 9.0, 8.0, 80.0, 75.0, 65.0])
    chain = np.cumsum(np.random.default_rng(1).normal(0.0, 0.7, (30, 3)), axis=0)
    cell = triclinic_vectors(box).astype(float)
    shares = chain @ np.linalg.inv(cell)
    bonds = np.array([(k, k + 1) for k in range(29)])
    placed, endless = unwrapped((shares - np.floor(shares)) @ cell, bonds, box)
    assert not endless
    np.testing.assert_allclose(placed - placed[0], chain - chain[0], atol=1e-4)


def test_a_metal_has_no_molecules_that_could_break(universe):
    metal = bulk("Al", "fcc", a=4.05, cubic=True) * 3
    box = metal.cell.cellpar()
    with pytest.raises(ValueError, match="bonded through the whole box"):
        Fragments(universe(metal.positions[None], box), np.array(["Al"] * len(metal))).require_molecules()
    ring = np.array([[0.1, 5.0, 5.0], [9.2, 5.0, 5.0]])  # bonded across the boundary only
    Fragments(universe(ring[None], BOX), np.array(["C", "C"])).require_molecules()
    Fragments(
        universe(metal.positions[None], [*(box[:3] + 100.0), 90.0, 90.0, 90.0]), np.array(["Al"] * len(metal))
    ).require_molecules()


def test_argon_atoms_stay_alone(universe):
    positions = np.stack(np.meshgrid(*[np.arange(3) * 3.33] * 3), axis=-1).reshape(1, -1, 3)
    (found,) = Fragments(universe(positions, BOX), np.array(["Ar"] * 27)).run().results.compositions
    assert found == {"Ar": 27}


def test_expected_composition_of_the_reference_counts():
    assert breakage([{"H": 2}] * 3, expected={"H2": 1}).n_frames_changed == 3
    assert breakage([{"H": 2}] * 3).n_frames_changed == 0


def test_close_pairs_are_counted_with_the_shortest_distance(universe):
    frames = np.array([[[1.0, 1, 1], [4.5, 1, 1], [8, 8, 8]], [[1.0, 1, 1], [2.2, 1, 1], [8, 8, 8]]])
    found = ClosePairs(universe(frames, BOX), np.array(["Ar"] * 3), {}).run().results
    assert found.limits == pytest.approx({"Ar-Ar": 0.7 * 2.12})
    assert (found.count, found.frames) == (1, [1])
    assert found.shortest == pytest.approx({"Ar-Ar": 1.2})


def test_a_given_limit_replaces_the_default_in_either_order(universe):
    frames = np.array([[[1.0, 1, 1], [4.0, 1, 1]]])
    labels = np.array(["O", "H"])
    assert ClosePairs(universe(frames, BOX), labels, {}).run().results.count == 0
    assert ClosePairs(universe(frames, BOX), labels, {"O-H": 3.1}).run().results.count == 1
    assert ClosePairs(universe(frames, BOX), labels, {"H-O": 3.1}).run().results.count == 1


def test_unknown_elements_are_named():
    with pytest.raises(ValueError, match="element of type 1 is not known"):
        radius_sums(np.array(["type 1"]))
