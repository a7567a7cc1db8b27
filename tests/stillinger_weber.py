"""LAMMPS's `pair_style sw` for one element as a module of two layers, per-atom energies shared out as LAMMPS does."""

from pathlib import Path

import torch
from torch import Tensor

from lampion.training.models.edges import read_senders
from layered import Layered


class StillingerWeber(Layered):
    """E = Σ_i Σ_{j<k} h_ijk + 1/2 Σ_ij φ(r_ij), a third of each h_ijk = λ ε g_ij g_ik (cos θ_ijk - c)² to i, j and k.

    Written on edge vectors without a list of triplets: with unit vectors u_ij = r_ij / |r_ij| and the moments
    S0_i = Σ_j g_ij, S1_i = Σ_j g_ij u_ij, S2_i = Σ_j g_ij u_ij ⊗ u_ij of layer 0,

        Σ_k g_ik (u_ij · u_ik - c)² = u_ij · S2_i u_ij - 2 c u_ij · S1_i + c² S0_i.

    Layer 0 hands the moments on, and layer 1 gives j its share of the triplets around its neighbour i, so that the
    energy of an atom depends on atoms two cutoffs away.

    Args:
        path: file with one entry in the format of `pair_style sw`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(n_layers=2)
        words = [w for line in path.read_text().splitlines() if not line.startswith("#") for w in line.split()]
        epsilon, sigma, a, strength, gamma, c, big_a, big_b, p, q, _ = (float(word) for word in words[3:14])
        self.epsilon, self.sigma, self.gamma, self.c = epsilon, sigma, gamma, c
        self.strength, self.big_a, self.big_b, self.p, self.q = strength, big_a, big_b, p, q
        self.cutoff = a * sigma

    @torch.jit.export
    def embed(self, types: Tensor) -> Tensor:
        return torch.zeros(types.shape[0], 13, dtype=torch.float64)

    @torch.jit.export
    def layer(
        self,
        k: int,
        n_centers: int,
        types: Tensor,  # noqa: ARG002 - part of the contract
        state: Tensor,
        edge_index: Tensor,
        edge_vectors: Tensor,
    ) -> tuple[Tensor, Tensor]:
        i = edge_index[0]
        length = torch.linalg.vector_norm(edge_vectors, dim=1, keepdim=True)
        u = edge_vectors / length
        r = torch.clamp(length, max=0.9999 * self.cutoff)  # beyond, as just below, all is zero
        g = torch.exp(self.gamma * self.sigma / (r - self.cutoff))
        products = (u.unsqueeze(2) * u.unsqueeze(1)).flatten(1)
        nothing = torch.zeros(n_centers, 13, dtype=r.dtype)
        if k == 0:
            moments = nothing.index_add(0, i, g * torch.cat([torch.ones_like(r), u, products], 1))
            return moments, self.centre_and_pairs(moments, i, r, g)
        around_j = read_senders(state, edge_index)
        # u_ji = -u_ij seen from j
        seen = products * around_j[:, 4:] * g
        share = seen.sum(1) + 2.0 * self.c * (g * u * around_j[:, 1:4]).sum(1)
        share = share + (g[:, 0] * (self.c**2 * around_j[:, 0] - g[:, 0] * (1.0 - self.c) ** 2))
        third = self.strength * self.epsilon / 3.0
        return state[:n_centers], torch.zeros(n_centers, dtype=r.dtype).index_add(0, i, third * share)

    def centre_and_pairs(self, moments: Tensor, i: Tensor, r: Tensor, g: Tensor) -> Tensor:
        """The centre's third of its triplets, and half of its pair energies."""
        triplets = (moments[:, 4:] ** 2).sum(1) - 2.0 * self.c * (moments[:, 1:4] ** 2).sum(1)
        triplets = triplets + self.c**2 * moments[:, 0] ** 2
        triplets = triplets.index_add(0, i, -((1.0 - self.c) ** 2) * g[:, 0] ** 2)  # j = k is no triplet
        x = self.sigma / r[:, 0]
        pairs = self.big_a * self.epsilon * (self.big_b * x**self.p - x**self.q)
        pairs = pairs * torch.exp(self.sigma / (r[:, 0] - self.cutoff))
        return (self.strength * self.epsilon / 6.0 * triplets).index_add(0, i, 0.5 * pairs)
