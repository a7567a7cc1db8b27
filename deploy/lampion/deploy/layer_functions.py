"""What a compiled model is made of: functions of tensors only, which evaluate it on a graph and differentiate.

A model in layers is evaluated part by part of a graph, so that what a part needs stays in the cache of a core and
nothing of the size of all edges times all channels is ever in memory. On the way back a layer is computed again: that
costs less than to keep what it computed. All functions of a layer read

    types (n_nodes,), centers (n,), senders (n m,), vectors (n m, 3) [, state (n_nodes, *) but in the first layer]

where the part's n centers have m edges each, those of center k in rows k m .. k m + m - 1; edges longer than the cutoff
fill up a center that has fewer. Energies are summed with weights (n,), states that a layer made with the derivatives
`owed` (n, *) of all that depends on them.
"""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from lampion.training.models.edges import part_of_graph

#: Version of the names and arguments of the functions; the pair style calls no other.
INTERFACE = 1

Function = Callable[..., tuple[Tensor, ...]]


def functions_of(model: nn.Module) -> dict[str, Function]:
    """All functions of a model by name.

    In layers: `forward_k` and `backward_k` for every layer k but the last, which is `last`. Else one, `whole`.
    """
    if not hasattr(model, "layer"):
        return {"whole": whole_energies(model) if getattr(model, "conservative", True) else whole_forces(model)}
    last = cast(int, model.n_layers) - 1
    functions = {"last": last_layer(model, last)}
    for k in range(last):
        functions |= {f"forward_{k}": forward_layer(model, k), f"backward_{k}": backward_layer(model, k)}
    return functions


def forward_layer(model: nn.Module, k: int) -> Function:
    """(part [, state]) -> states (n, *) and energies (n,)."""

    def forward(types: Tensor, centers: Tensor, senders: Tensor, vectors: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        own, sent = _states(model, types, centers, senders, *state)
        return _contiguous(_layer(model, k, types, centers, senders, vectors, own, sent))

    return forward


def backward_layer(model: nn.Module, k: int) -> Function:
    """(part [, state], weights, owed) -> gradient (n m, 3) [, owed to centers (n, *) and to senders (n m, *)]."""

    def backward(types: Tensor, centers: Tensor, senders: Tensor, vectors: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        *state, weights, owed = rest
        leaves = _leaves(model, types, centers, senders, vectors, *state)
        made, energies = _layer(model, k, types, centers, senders, *leaves)
        return _derivatives([made, energies], [owed, weights], leaves, bool(state))

    return backward


def last_layer(model: nn.Module, k: int) -> Function:
    """(part [, state], weights) -> energies (n,), and what `backward_layer` gives."""

    def last(types: Tensor, centers: Tensor, senders: Tensor, vectors: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        *state, weights = rest
        leaves = _leaves(model, types, centers, senders, vectors, *state)
        _, energies = _layer(model, k, types, centers, senders, *leaves)
        return energies.detach(), *_derivatives([energies], [weights], leaves, bool(state))

    return last


def whole_energies(model: nn.Module) -> Function:
    """(types (n,), edge_index (2, n_edges), edge_vectors (n_edges, 3), weights (n,)) -> energies (n,), gradient."""

    def whole(types: Tensor, edge_index: Tensor, edge_vectors: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        vectors = edge_vectors.detach().requires_grad_()
        energies = model(types, edge_index, vectors)
        return energies.detach(), *_contiguous(torch.autograd.grad([energies], [vectors], [weights]))

    return whole


def whole_forces(model: nn.Module) -> Function:
    """The same arguments -> forces (n, 3), each times its weight."""

    def whole(types: Tensor, edge_index: Tensor, edge_vectors: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        return (model(types, edge_index, edge_vectors).detach() * weights.unsqueeze(1),)

    return whole


def _states(model: nn.Module, types: Tensor, centers: Tensor, senders: Tensor, *state: Tensor) -> tuple[Tensor, Tensor]:
    """States of the centers (n, *) and of the sender of every edge (n m, *)."""
    if state:
        return state[0].index_select(0, centers), state[0].index_select(0, senders)
    embed = cast(Callable[[Tensor], Tensor], model.embed)
    return embed(types.index_select(0, centers)), embed(types.index_select(0, senders))


def _leaves(
    model: nn.Module, types: Tensor, centers: Tensor, senders: Tensor, vectors: Tensor, *state: Tensor
) -> list[Tensor]:
    """Edge vectors and states, to be differentiated with respect to."""
    return [leaf.detach().requires_grad_() for leaf in (vectors, *_states(model, types, centers, senders, *state))]


def _layer(
    model: nn.Module,
    k: int,
    types: Tensor,
    centers: Tensor,
    senders: Tensor,
    vectors: Tensor,
    own: Tensor,
    sent: Tensor,
) -> tuple[Tensor, Tensor]:
    """Layer k of the part, in which each edge has a sender of its own."""
    n_centers, n_edges = centers.shape[0], senders.shape[0]
    receiver = torch.arange(n_centers).unsqueeze(1).expand(n_centers, n_edges // n_centers).reshape(-1)
    edge_index = torch.stack([receiver, n_centers + torch.arange(n_edges)])
    rows = torch.cat([types.index_select(0, centers), types.index_select(0, senders)])
    layer = cast(Callable[..., tuple[Tensor, Tensor]], model.layer)
    with part_of_graph(sent):
        return layer(k, n_centers, rows, own, edge_index, vectors)


def _derivatives(
    outputs: Sequence[Tensor], weights: Sequence[Tensor], leaves: Sequence[Tensor], with_states: bool
) -> tuple[Tensor, ...]:
    used = [k for k, output in enumerate(outputs) if output.requires_grad]
    wanted = leaves if with_states else leaves[:1]
    gradients = torch.autograd.grad(
        [outputs[k] for k in used], wanted, [weights[k] for k in used], allow_unused=True, materialize_grads=True
    )
    return _contiguous(gradients)


def _contiguous(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The layout that the pair style reads."""
    return tuple(tensor.contiguous() for tensor in tensors)
