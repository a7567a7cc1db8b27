"""Evaluation of a model's `layer_functions` on a whole graph: the reference of what the pair style does."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from lampion.deploy.layer_functions import Function

#: Length of the edges that fill up a center, in cutoffs.
FAR = 2.0


class Part(NamedTuple):
    """Some centers of a graph with equally many edges, see `layer_functions`.

    Attributes:
        centers: (n,), each once, but for a lone one that stands twice; the second then counts for nothing.
        senders: (n m,).
        vectors: (n m, 3).
        slots: rows of the part that are edges of the graph.
        edges: the edges in these rows.
        n_real: number of different centers.
    """

    centers: Tensor
    senders: Tensor
    vectors: Tensor
    slots: Tensor
    edges: Tensor
    n_real: int

    def own(self, rows: Tensor) -> Tensor:
        """Rows (n, *) of the centers, each once."""
        return rows[: self.n_real]


def cut(edge_index: Tensor, edge_vectors: Tensor, n_nodes: int, cutoff: float, n_parts: int) -> list[Part]:
    """A graph in `n_parts` parts; no part has fewer than two centers or two edges a center, as compiled code asks."""
    nodes = torch.arange(n_nodes).repeat(1 if n_nodes > 1 else 2)
    return [_part(centers, edge_index, edge_vectors, cutoff) for centers in nodes.tensor_split(n_parts)]


def _part(centers: Tensor, edge_index: Tensor, edge_vectors: Tensor, cutoff: float) -> Part:
    edges_of = [torch.nonzero(edge_index[0] == center).flatten() for center in centers.unique()]
    width = max(2, *(len(edges) for edges in edges_of))
    senders = centers.repeat_interleave(width)
    vectors = edge_vectors.new_tensor([FAR * cutoff, 0.0, 0.0]).repeat(len(senders), 1)
    slots = torch.cat([k * width + torch.arange(len(edges)) for k, edges in enumerate(edges_of)])
    edges = torch.cat(edges_of)
    return Part(
        centers,
        senders.index_copy(0, slots, edge_index[1, edges]),
        vectors.index_copy(0, slots, edge_vectors[edges]),
        slots,
        edges,
        len(edges_of),
    )


def evaluate_by_parts(
    functions: Mapping[str, Function], types: Tensor, edge_vectors: Tensor, parts: list[Part]
) -> tuple[Tensor, Tensor]:
    """Energies (n_nodes,) and gradient (n_edges, 3) of a model in layers."""
    last = (len(functions) - 1) // 2
    energies, gradient = edge_vectors.new_zeros(len(types)), torch.zeros_like(edge_vectors)
    states: list[list[Tensor]] = [[]]
    for k in range(last):
        made = [functions[f"forward_{k}"](types, *part[:3], *states[k]) for part in parts]
        states.append([_gathered(parts, [state for state, _ in made], len(types))])
        energies += _gathered(parts, [energy for _, energy in made], len(types))
    owed: list[Tensor] = []
    for k in range(last, -1, -1):
        below = [torch.zeros_like(state) for state in states[k]]
        for part in parts:
            weights = torch.ones_like(part.vectors[: len(part.centers), 0])
            name, shares = ("last", ()) if k == last else (f"backward_{k}", (owed[0][part.centers],))
            found = list(functions[name](types, *part[:3], *states[k], weights, *shares))
            if k == last:
                energies[part.own(part.centers)] += part.own(found.pop(0))
            gradient[part.edges] += found[0][part.slots]
            for total in below:
                total.index_add_(0, part.own(part.centers), part.own(found[1])).index_add_(0, part.senders, found[2])
        owed = below
    return energies, gradient


def _gathered(parts: list[Part], values: list[Tensor], n_nodes: int) -> Tensor:
    rows = values[0].new_zeros(n_nodes, *values[0].shape[1:])
    centers = torch.cat([part.own(part.centers) for part in parts])
    return rows.index_copy(0, centers, torch.cat([part.own(value) for part, value in zip(parts, values, strict=True)]))
