"""Neighbour lists against matscipy, an independent code."""

import numpy as np
import pytest
from ase import Atoms
from matscipy.neighbours import neighbour_list

from lampion.training.data.neighbors import neighbor_edges


def edge_set(index: np.ndarray, vectors: np.ndarray) -> list[tuple[float, ...]]:
    return sorted((*pair, *np.round(v, 6) + 0.0) for pair, v in zip(index.T.tolist(), vectors, strict=True))


@pytest.mark.parametrize("seed", range(30))
def test_same_edges_as_matscipy(seed):
    rng = np.random.default_rng(seed)
    n, size = int(rng.integers(1, 30)), rng.uniform(3, 9)
    cell = size * (np.eye(3) + 0.25 * rng.normal(size=(3, 3)))
    positions = rng.uniform(-0.5, 1.5, (n, 3)) @ cell
    pbc, cutoff = rng.integers(0, 2, 3).astype(bool), rng.uniform(1.5, 7.0)
    index, vectors = neighbor_edges(positions, cell, pbc, cutoff)
    i, j, expected = neighbour_list("ijD", Atoms(positions=positions, cell=cell, pbc=pbc), cutoff)
    assert edge_set(index, vectors) == edge_set(np.stack([i, j]), expected)


def test_edges_point_from_centre_to_neighbour_and_are_sorted_by_centre():
    positions = np.array([[0.0, 0, 0], [1.0, 0, 0], [9.5, 0, 0]])
    index, vectors = neighbor_edges(positions, 10 * np.eye(3), np.ones(3, dtype=bool), 1.2)
    assert (np.diff(index[0]) >= 0).all()
    np.testing.assert_allclose(vectors[(index[0] == 0) & (index[1] == 2)], [[-0.5, 0, 0]])


def test_molecule_without_a_cell():
    positions = np.array([[0.0, 0, 0], [1.0, 0, 0]])
    index, vectors = neighbor_edges(positions, np.zeros((3, 3)), np.zeros(3, dtype=bool), 2.0)
    assert index.tolist() == [[0, 1], [1, 0]]
    np.testing.assert_allclose(vectors, [[1, 0, 0], [-1, 0, 0]])
