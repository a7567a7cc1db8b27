"""A sound pair potential, and potentials that break one law each."""

import torch
from torch import Tensor

CUTOFF = 6.0


class Pairs(torch.nn.Module):
    """E_i = 1/2 Σ_j v(r_ij) with v a Lennard-Jones that goes to zero as (1 - r²/R²)³."""

    def __init__(self) -> None:
        super().__init__()
        self.cutoff = CUTOFF  # TorchScript sees no globals

    def pair(self, edge_vectors: Tensor) -> Tensor:
        square = (edge_vectors**2).sum(1)
        s = (3.4**2 / square) ** 3
        return 0.02 * (s * s - s) * self.envelope(square)

    def envelope(self, square: Tensor) -> Tensor:
        return (1.0 - square / self.cutoff**2) ** 3

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        zero = torch.zeros(types.shape[0], dtype=edge_vectors.dtype)
        return zero.index_add(0, edge_index[0], self.pair(edge_vectors))


class WrongGradient(Pairs):
    """The same energies, part of them hidden from differentiation: forces of a model that predicts them directly."""

    def pair(self, edge_vectors: Tensor) -> Tensor:
        square = (edge_vectors**2).sum(1)
        s = (3.4**2 / square) ** 3
        hidden = torch.round(1e9 * s) / 1e9  # torch gives rounding no derivative
        return 0.02 * (s * s - hidden) * self.envelope(square)


class Oriented(Pairs):
    """Pairs along x bind more strongly."""

    def pair(self, edge_vectors: Tensor) -> Tensor:
        square = (edge_vectors**2).sum(1)
        s = (3.4**2 / square) ** 3
        return 0.02 * (s * s - s * (1.0 + 0.3 * edge_vectors[:, 0] ** 2 / square)) * self.envelope(square)


class Ordered(Pairs):
    """The first atom of all binds more strongly: energies depend on how atoms are numbered."""

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        zero = torch.zeros(types.shape[0], dtype=edge_vectors.dtype)
        weight = 1.0 + 0.1 * (edge_index[0] == 0).to(edge_vectors.dtype)
        return zero.index_add(0, edge_index[0], weight * self.pair(edge_vectors))


class Short(Pairs):
    """Cut off hard at the cutoff, as `lj/cut` does."""

    def envelope(self, square: Tensor) -> Tensor:
        return torch.ones_like(square)


class Unwilling(Pairs):
    """Raises an error of its own."""

    def pair(self, edge_vectors: Tensor) -> Tensor:
        if edge_vectors.shape[0] > 0:
            raise ValueError("not today")
        return edge_vectors.sum(1)
