"""How edges meet nodes: read the sender of every edge, sum edges into their receivers or their senders.

The portable form indexes and scatters. Scattering is slow when a compiler turns it into atomic additions, so a graph
in which every node has equally many edges may be evaluated inside `padded_edges` or `part_of_graph`: sums are then
plain sums over an axis. All forms give the same numbers.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch._jit_internal import is_scripting


@dataclass(frozen=True)
class _Layout:
    """Edges in rows k n .. k n + n - 1 belong to receiver k; what else is known of them."""

    reverse: Tensor | None = None
    sender_states: Tensor | None = None


_layout: _Layout | None = None


@contextmanager
def _within(layout: _Layout) -> Iterator[None]:
    global _layout
    before, _layout = _layout, layout
    try:
        yield
    finally:
        _layout = before


def padded_edges(reverse: Tensor) -> AbstractContextManager[None]:
    """Evaluate models on a padded graph (`pad`) within this context.

    The gradient of reading a sender is then again a sum over an axis, over the reversed edges.

    Args:
        reverse: (n_edges,), row of the edge that leads back; edges in rows k n .. k n + n - 1 belong to receiver k.
    """
    return _within(_Layout(reverse=reverse))


def part_of_graph(sender_states: Tensor) -> AbstractContextManager[None]:
    """Evaluate one layer within this context on some nodes of a graph, each with equally many edges.

    Args:
        sender_states: (n_edges, *), what reading the senders gives: they need not be among the nodes.
    """
    return _within(_Layout(sender_states=sender_states))


def read_senders(state: Tensor, edge_index: Tensor) -> Tensor:
    """State of the sender of every edge, (n_edges, *)."""
    if not is_scripting():  # noqa: SIM102 - TorchScript skips the branch only if this stands alone
        if _layout is not None:
            if _layout.sender_states is not None:
                return _layout.sender_states
            return _ReadSenders.apply(state, edge_index, _layout.reverse)
    return state.index_select(0, edge_index[1])


def sum_into_receivers(values: Tensor, edge_index: Tensor, n_nodes: int) -> Tensor:
    """Σ over the edges that end at a node, (n_nodes, *)."""
    if not is_scripting():  # noqa: SIM102 - TorchScript skips the branch only if this stands alone
        if _layout is not None:
            return values.reshape(n_nodes, -1, *values.shape[1:]).sum(1)
    return _scatter(values, edge_index[0], n_nodes)


def sum_products(left: Tensor, right: Tensor, edge_index: Tensor, n_nodes: int) -> Tensor:
    """Σ left ⊗ right over the edges that end at a node: (n_edges, a) and (n_edges, b) to (n_nodes, a, b)."""
    if not is_scripting():  # noqa: SIM102 - TorchScript skips the branch only if this stands alone
        if _layout is not None:  # one matrix product per node
            left, right = (values.reshape(n_nodes, -1, values.shape[1]) for values in (left, right))
            return _Products.apply(left, right)
    return _scatter(left.unsqueeze(2) * right.unsqueeze(1), edge_index[0], n_nodes)


def sum_into_senders(values: Tensor, edge_index: Tensor, n_nodes: int) -> Tensor:
    """Σ over the edges that start at a node, (n_nodes, *)."""
    if not is_scripting():  # noqa: SIM102 - TorchScript skips the branch only if this stands alone
        if _layout is not None:
            return _SumIntoSenders.apply(values, edge_index, _layout.reverse, n_nodes)
    return _scatter(values, edge_index[1], n_nodes)


def forces_of(gradient: Tensor, edge_index: Tensor, n_nodes: int) -> Tensor:
    """Forces F_i += g, F_j -= g of every edge i <- j, (n_nodes, 3), eV/Å.

    Args:
        gradient: (n_edges, 3), g = ∂E/∂r_ij with r_ij = r_j - r_i, eV/Å.
        edge_index: (2, n_edges).
        n_nodes: number of nodes.
    """
    return sum_into_receivers(gradient, edge_index, n_nodes) - sum_into_senders(gradient, edge_index, n_nodes)


def _scatter(values: Tensor, index: Tensor, n_nodes: int) -> Tensor:
    shape = list(values.shape)
    shape[0] = n_nodes
    return torch.zeros(shape, dtype=values.dtype, device=values.device).index_add(0, index, values)


class _ReadSenders(torch.autograd.Function):
    @staticmethod
    def forward(ctx, state, edge_index, reverse):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(edge_index, reverse)
        ctx.n_nodes = state.shape[0]
        return state.index_select(0, edge_index[1])

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        edge_index, reverse = ctx.saved_tensors
        return _SumIntoSenders.apply(gradient, edge_index, reverse, ctx.n_nodes), None, None


class _SumIntoSenders(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, edge_index, reverse, n_nodes):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(edge_index, reverse)
        return values.index_select(0, reverse).reshape(n_nodes, -1, *values.shape[1:]).sum(1)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        edge_index, reverse = ctx.saved_tensors
        return _ReadSenders.apply(gradient, edge_index, reverse), None, None, None


class _Products(torch.autograd.Function):
    """Σ over edges: (n, edges, a) and (n, edges, b) to (n, a, b).

    It and `_Spread` are the gradients of each other. Those that autograd finds for a product of matrices come with the
    edges in the last axis, where whatever reads them goes from number to number instead of through channels.
    """

    @staticmethod
    def forward(ctx, left, right):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(left, right)
        return torch.bmm(left.transpose(1, 2), right)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        left, right = ctx.saved_tensors
        return _Spread.apply(right, gradient, True), _Spread.apply(left, gradient, False)


class _Spread(torch.autograd.Function):
    """(n, edges, a) and (n, a, b) to (n, edges, b); turned: (n, edges, b) and (n, a, b) to (n, edges, a)."""

    @staticmethod
    def forward(ctx, edges, nodes, turned):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(edges, nodes)
        ctx.turned = turned
        return torch.bmm(edges, nodes.transpose(1, 2) if turned else nodes)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        edges, nodes = ctx.saved_tensors
        pair = (gradient, edges) if ctx.turned else (edges, gradient)
        return _Spread.apply(gradient, nodes, not ctx.turned), _Products.apply(*pair), None
