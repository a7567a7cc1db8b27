"""Frames turned into graphs once, and graphs joined into batches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lampion.training.frames import Frames
from lampion.training.neighbors import neighbor_edges


@dataclass(frozen=True)
class Graph:
    """One frame or several joined ones; names and units as in `keys`.

    Attributes:
        types: (n_nodes,) int64.
        edge_index: (2, n_edges) int64.
        edge_vectors: (n_edges, 3), model dtype, Å.
        frame_of_node: (n_nodes,) int64, frame within the batch.
        n_atoms: (n_frames,) atoms of each frame, model dtype.
        volume: (n_frames,), Å³; 1 where the cell has no volume.
        energy: (n_frames,) eV, float64: differences of large sums.
        forces: (n_nodes, 3) eV/Å.
        stress: (n_frames, 3, 3) eV/Å³; NaN without labels.
    """

    types: Tensor
    edge_index: Tensor
    edge_vectors: Tensor
    frame_of_node: Tensor
    n_atoms: Tensor
    volume: Tensor
    energy: Tensor
    forces: Tensor
    stress: Tensor


def build_graphs(frames: Frames, cutoff: float, dtype: torch.dtype) -> list[Graph]:
    """One graph per frame, neighbour lists included."""
    return [_graph(frames, f, cutoff, dtype) for f in range(len(frames))]


def _graph(frames: Frames, frame: int, cutoff: float, dtype: torch.dtype) -> Graph:
    rows = frames.atoms_of(frame)
    cell = frames.cell[frame]
    edge_index, edge_vectors = neighbor_edges(frames.positions[rows], cell, frames.pbc[frame], cutoff)
    n_nodes = rows.stop - rows.start
    stress = np.full((3, 3), np.nan) if frames.stress is None else frames.stress[frame]
    return Graph(
        types=torch.from_numpy(frames.types[rows]),
        edge_index=torch.from_numpy(edge_index),
        edge_vectors=torch.from_numpy(edge_vectors).to(dtype),
        frame_of_node=torch.zeros(n_nodes, dtype=torch.int64),
        n_atoms=torch.tensor([n_nodes], dtype=dtype),
        volume=torch.tensor([abs(np.linalg.det(cell)) or 1.0], dtype=dtype),
        energy=torch.tensor([frames.energy[frame]], dtype=torch.float64),
        forces=torch.from_numpy(frames.forces[rows]).to(dtype),
        stress=torch.from_numpy(stress[None]).to(dtype),
    )


def join(graphs: Sequence[Graph]) -> Graph:
    """Join graphs into one: nodes numbered through, frames told apart by `frame_of_node`."""
    if len(graphs) == 1:
        return graphs[0]
    starts = np.cumsum([0] + [len(g.types) for g in graphs])
    return Graph(
        types=torch.cat([g.types for g in graphs]),
        edge_index=torch.cat([g.edge_index + int(start) for g, start in zip(graphs, starts, strict=False)], dim=1),
        edge_vectors=torch.cat([g.edge_vectors for g in graphs]),
        frame_of_node=torch.cat([g.frame_of_node + index for index, g in enumerate(graphs)]),
        n_atoms=torch.cat([g.n_atoms for g in graphs]),
        volume=torch.cat([g.volume for g in graphs]),
        energy=torch.cat([g.energy for g in graphs]),
        forces=torch.cat([g.forces for g in graphs]),
        stress=torch.cat([g.stress for g in graphs]),
    )
