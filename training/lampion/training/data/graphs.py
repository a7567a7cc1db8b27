"""Frames turned into graphs, kept in memory or made when needed, and graphs joined into batches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import torch
from torch import Tensor

from lampion.training.data.frames import Floats, Frames, Ints
from lampion.training.data.neighbor_lists import NeighborLists, cached_lists, compute_lists
from lampion.training.data.neighbors import neighbor_pairs

#: graphs that would take more than this stay on disk, bytes
MEMORY_LIMIT = 2**30
#: bytes of a graph in memory per edge (index, float64 vector, opposite edge) and per atom
EDGE_BYTES, ATOM_BYTES = 48, 64


@dataclass(frozen=True)
class Graph:
    """One frame or several joined ones; names and units as in `keys`.

    Attributes:
        types: (n_nodes,) int64.
        edge_index: (2, n_edges) int64.
        edge_vectors: (n_edges, 3), model dtype, Å.
        opposite: (n_edges,) int64, row of the edge that leads back.
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
    opposite: Tensor
    frame_of_node: Tensor
    n_atoms: Tensor
    volume: Tensor
    energy: Tensor
    forces: Tensor
    stress: Tensor


def graph_of(
    frames: Frames, frame: int, edge_index: Ints, edge_vectors: Floats, opposite: Ints, dtype: torch.dtype
) -> Graph:
    """One frame as a graph with the given edges."""
    rows = frames.atoms_of(frame)
    n_nodes = rows.stop - rows.start
    stress = np.full((3, 3), np.nan) if frames.stress is None else frames.stress[frame]
    return Graph(
        types=torch.tensor(frames.types[rows]),
        edge_index=torch.tensor(edge_index),
        edge_vectors=torch.tensor(edge_vectors, dtype=dtype),
        opposite=torch.tensor(opposite),
        frame_of_node=torch.zeros(n_nodes, dtype=torch.int64),
        n_atoms=torch.tensor([n_nodes], dtype=dtype),
        volume=torch.tensor([abs(np.linalg.det(frames.cell[frame])) or 1.0], dtype=dtype),
        energy=torch.tensor([frames.energy[frame]], dtype=torch.float64),
        forces=torch.tensor(frames.forces[rows], dtype=dtype),
        stress=torch.tensor(stress[None], dtype=dtype),
    )


def join(graphs: Sequence[Graph]) -> Graph:
    """Join graphs of one frame each into one: nodes numbered through, frames told apart by `frame_of_node`."""
    if len(graphs) == 1:
        return graphs[0]
    n_nodes = torch.tensor([len(g.types) for g in graphs])
    n_edges = torch.tensor([g.edge_index.shape[1] for g in graphs])
    first_node, first_edge = torch.cumsum(n_nodes, 0) - n_nodes, torch.cumsum(n_edges, 0) - n_edges
    return Graph(
        types=torch.cat([g.types for g in graphs]),
        edge_index=torch.cat([g.edge_index for g in graphs], dim=1) + torch.repeat_interleave(first_node, n_edges),
        edge_vectors=torch.cat([g.edge_vectors for g in graphs]),
        opposite=torch.cat([g.opposite for g in graphs]) + torch.repeat_interleave(first_edge, n_edges),
        frame_of_node=torch.repeat_interleave(n_nodes),
        n_atoms=torch.cat([g.n_atoms for g in graphs]),
        volume=torch.cat([g.volume for g in graphs]),
        energy=torch.cat([g.energy for g in graphs]),
        forces=torch.cat([g.forces for g in graphs]),
        stress=torch.cat([g.stress for g in graphs]),
    )


#: length of the vectors of edges that pad a graph, Å: beyond every cutoff, where messages and their gradients vanish
PADDING_DISTANCE = 1e3


def pad(graph: Graph) -> Graph:
    """The same graph with equally many edges at every node, in the order of the nodes, as `edges.padded_edges` needs.

    Edges that are added lead from a node to itself over a distance beyond every cutoff.
    """
    n_nodes, center = len(graph.types), graph.edge_index[0]
    counts = torch.bincount(center, minlength=n_nodes)
    width = int(counts.max())
    if int(counts.min()) == width:
        return graph
    first = torch.cumsum(counts, 0) - counts
    place = center * width + torch.arange(len(center)) - first[center]
    own = torch.arange(n_nodes).repeat_interleave(width)
    edge_index = torch.stack([own, own.index_copy(0, place, graph.edge_index[1])])
    far = graph.edge_vectors.new_tensor([PADDING_DISTANCE, 0.0, 0.0]).expand(n_nodes * width, 3)
    opposite = torch.arange(n_nodes * width).index_copy(0, place, place[graph.opposite])
    return replace(
        graph, edge_index=edge_index, edge_vectors=far.index_copy(0, place, graph.edge_vectors), opposite=opposite
    )


class GraphSet(Sequence[Graph]):
    """One graph per frame, neighbour lists included; a sequence that need not fit in memory.

    Graphs of frames that are in memory are made once and kept. Of frames mapped from a file, graphs are kept if all of
    them take less than `memory_limit`; otherwise their neighbour lists are cached beside the file and a graph is made
    at each access.

    Args:
        frames: labelled frames.
        cutoff: Å.
        dtype: of edge vectors and labels; energies are float64.
        memory_limit: bytes.
    """

    def __init__(self, frames: Frames, cutoff: float, dtype: torch.dtype, *, memory_limit: int = MEMORY_LIMIT) -> None:
        self._frames, self._dtype = frames, dtype
        self._lists: NeighborLists
        self._graphs: list[Graph] | None = None
        if frames.file is None or _expected_bytes(frames, cutoff) < memory_limit:
            self._lists = compute_lists(frames, cutoff)
            self._graphs = [self._make(f) for f in range(len(frames))]
        else:
            self._lists = cached_lists(frames, cutoff, frames.file)

    @property
    def n_edges(self) -> int:
        """Directed pairs of all graphs together."""
        return int(self._lists.offsets[-1])

    @property
    def in_memory(self) -> bool:
        """Whether the graphs are kept."""
        return self._graphs is not None

    def __len__(self) -> int:
        return len(self._frames)

    @overload
    def __getitem__(self, index: int) -> Graph: ...
    @overload
    def __getitem__(self, index: slice) -> list[Graph]: ...
    def __getitem__(self, index: int | slice) -> Graph | list[Graph]:
        if isinstance(index, slice):
            return [self[f] for f in range(*index.indices(len(self)))]
        frame = range(len(self))[index]
        return self._graphs[frame] if self._graphs is not None else self._make(frame)

    def _make(self, frame: int) -> Graph:
        return graph_of(self._frames, frame, *self._lists.edges(self._frames, frame), self._dtype)


def build_graphs(frames: Frames, cutoff: float, dtype: torch.dtype) -> GraphSet:
    """One graph per frame, neighbour lists included."""
    return GraphSet(frames, cutoff, dtype)


def _expected_bytes(frames: Frames, cutoff: float, samples: int = 20) -> float:
    """Size of all graphs in memory, from the number of edges in a few frames."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, samples).astype(int))
    rows = [frames.atoms_of(f) for f in chosen]
    edges = [
        neighbor_pairs(frames.positions[r], frames.cell[f], frames.pbc[f], cutoff)[0].shape[1]
        for f, r in zip(chosen, rows, strict=True)
    ]
    per_atom = sum(edges) / sum(r.stop - r.start for r in rows)
    return len(frames.types) * (per_atom * EDGE_BYTES + ATOM_BYTES)
