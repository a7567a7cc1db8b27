"""Neighbour lists under periodic boundary conditions, by vesin (https://github.com/luthaf/vesin)."""

import numpy as np
from numpy.typing import NDArray
from vesin import NeighborList

from lampion.training.data.frames import Floats, Ints


def neighbor_edges(positions: Floats, cell: Floats, pbc: NDArray[np.bool_], cutoff: float) -> tuple[Ints, Floats]:
    """All directed pairs closer than the cutoff, sorted by centre.

    An edge vector is r_j + S·h - r_i with h the rows of `cell` and S the integer shift of the neighbour's image.

    Args:
        positions: (n_atoms, 3), Å.
        cell: (3, 3) rows, Å.
        pbc: (3,) periodic or not.
        cutoff: Å.

    Returns:
        edge_index (2, n_edges) and edge_vectors (n_edges, 3).
    """
    edge_index, shifts = neighbor_pairs(positions, cell, pbc, cutoff)
    return edge_index, vectors_of(positions, cell, edge_index, shifts)


def neighbor_pairs(positions: Floats, cell: Floats, pbc: NDArray[np.bool_], cutoff: float) -> tuple[Ints, Ints]:
    """The pairs of `neighbor_edges` without vectors: edge_index (2, n_edges) and the shifts S (n_edges, 3)."""
    centers, neighbors, shifts = NeighborList(cutoff=cutoff, full_list=True).compute(
        points=positions, box=cell, periodic=pbc, quantities="ijS"
    )
    order = np.argsort(centers, kind="stable")
    return np.stack([centers[order], neighbors[order]]).astype(np.int64), shifts[order].astype(np.int64)


def vectors_of(positions: Floats, cell: Floats, edge_index: Ints, shifts: Ints) -> Floats:
    """Edge vectors r_j + S·h - r_i, (n_edges, 3), Å."""
    centers, neighbors = edge_index
    return positions[neighbors] - positions[centers] + shifts @ cell


def opposite_edges(edge_index: Ints, shifts: Ints) -> Ints:
    """Row of the edge that leads back from each edge, (n_edges,); every pair occurs in both directions."""
    (i, j), (x, y, z) = edge_index, shifts.T
    opposite = np.empty(len(i), dtype=np.int64)
    opposite[np.lexsort((z, y, x, j, i))] = np.lexsort((-z, -y, -x, i, j))
    return opposite
