"""Neighbour lists under periodic boundary conditions, by vesin (https://github.com/luthaf/vesin)."""

import numpy as np
from numpy.typing import NDArray
from vesin import NeighborList

from lampion.training.frames import Floats, Ints


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
    centers, neighbors, vectors = NeighborList(cutoff=cutoff, full_list=True).compute(
        points=positions, box=cell, periodic=pbc, quantities="ijD"
    )
    order = np.argsort(centers, kind="stable")
    edge_index = np.stack([centers[order], neighbors[order]]).astype(np.int64)
    return edge_index, np.ascontiguousarray(vectors[order])
