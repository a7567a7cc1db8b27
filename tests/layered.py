"""What modules with `embed` and `layer` have in common: `forward` is their sum over the layers."""

import torch
from torch import Tensor


class Layered(torch.nn.Module):
    """Gives `forward` to a class with `embed` and `layer`; see `docs/conventions.md` for all three.

    Args:
        n_layers: rounds of message passing.
    """

    def __init__(self, n_layers: int) -> None:
        super().__init__()
        self.n_layers = n_layers

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        n_nodes = types.shape[0]
        state = self.embed(types)
        total = torch.zeros(n_nodes, dtype=edge_vectors.dtype)
        for k in range(self.n_layers):
            state, energies = self.layer(k, n_nodes, types, state, edge_index, edge_vectors)
            total = total + energies
        return total
