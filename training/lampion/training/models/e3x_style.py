"""An equivariant network after the E3x tutorial: message passing with tensor products, atom-wise dense layers.

Source: Unke and Maennel, E3x: E(3)-equivariant deep learning made easy, arXiv:2401.07595. Features carry natural
parity only: the pseudo-tensors that E3x can add are left out, as in `so3`.
"""

import torch
from torch import Tensor, nn

from lampion.training.models import so3
from lampion.training.models.interaction import EdgeSum
from lampion.training.models.update import Coupling, DegreeLinear


def smooth_cutoff(distances: Tensor, cutoff: float) -> Tensor:
    """exp(1 - 1 / (1 - x²)), x = r / cutoff: infinitely differentiable, zero at the cutoff.

    1 - x² is kept above 0.005, where the function is 1e-86, so that its derivatives stay finite numbers.
    """
    x = distances / cutoff
    return torch.exp(1.0 - 1.0 / torch.clamp(1.0 - x * x, min=0.005))


class ReciprocalBernstein(nn.Module):
    """Radial basis b_k(r) = u(r) (K-1 over k) t^k (1-t)^(K-1-k), t = r / (1 + r) with r in Å, k = 0..K-1.

    Args:
        n_functions: K.
        cutoff: of the envelope u, Å.
    """

    log_binomial: Tensor
    power: Tensor

    def __init__(self, n_functions: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff = float(cutoff)
        self.degree = n_functions - 1
        k = torch.arange(n_functions, dtype=torch.float64)
        n = torch.tensor(self.degree, dtype=torch.float64)
        log_binomial = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
        dtype = torch.get_default_dtype()
        self.register_buffer("log_binomial", log_binomial.to(dtype), persistent=False)
        self.register_buffer("power", k.to(dtype), persistent=False)

    def forward(self, distances: Tensor) -> Tensor:
        """Distances (n_edges,) in Å -> (n_edges, K)."""
        r = distances.unsqueeze(-1)
        exponent = self.log_binomial + self.power * torch.log(r) - self.degree * torch.log1p(r)
        return torch.exp(exponent) * smooth_cutoff(r, self.cutoff)


class Dense(nn.Module):
    """Mixes the features of each degree; a bias for the scalars, which alone may have one."""

    def __init__(self, l_max: int, n_features: int) -> None:
        super().__init__()
        self.linear = DegreeLinear(l_max, n_features, n_features)
        self.bias = nn.Parameter(torch.zeros(n_features))

    def forward(self, x: Tensor) -> Tensor:
        """((l_max+1)², n, F) to the same shape."""
        mixed = self.linear(x)
        return torch.cat([mixed[:1] + self.bias, mixed[1:]], dim=0)


def gated_silu(x: Tensor) -> Tensor:
    """σ(x_0) x: SiLU of the scalars x_0, which also gate the higher degrees."""
    return torch.sigmoid(x[:1]) * x


def add_degrees(x: Tensor, other: Tensor) -> Tensor:
    """x + other, where components that `other` lacks are zero and those that x lacks are dropped."""
    common = min(x.shape[0], other.shape[0])
    return torch.cat([x[:common] + other[:common], x[common:]], dim=0)


class Iteration(nn.Module):
    """x' = x + Dense(silu(Dense(x + m))), m_i[l3] = Σ_j Σ_paths w_path R_l1(r_ij) C_path(Y_l1(r̂_ij) ⊗ x_j[l2]).

    Args:
        l_max: largest degree of the spherical harmonics.
        l_sender: largest degree of the state it receives (0 in the first iteration).
        l_out: largest degree of the state it makes (0 in the last iteration, of which only scalars are read).
        n_features: features per degree.
        n_basis: radial basis functions.
        n_neighbors: average number of neighbours, to keep sums near unit size.
    """

    def __init__(
        self, *, l_max: int, l_sender: int, l_out: int, n_features: int, n_basis: int, n_neighbors: float
    ) -> None:
        super().__init__()
        self.n_degrees, self.l_sender, self.n_features = l_max + 1, l_sender, n_features
        self.edge_sum = EdgeSum(l_max, l_sender, n_features)
        self.radial = nn.Linear(n_basis, (l_max + 1) * n_features, bias=False)
        self.coupling = Coupling(l_max, l_sender, l_out)
        self.path_weight = nn.Parameter(torch.randn(sum(self.coupling.n_paths), n_features))
        self.dense_in = Dense(l_out, n_features)
        self.dense_out = Dense(l_out, n_features)
        self.register_buffer("sum_scale", torch.tensor(n_neighbors**-0.5))

    def forward(self, n_centers: int, state: Tensor, edge_index: Tensor, basis: Tensor, harmonics: Tensor) -> Tensor:
        """New state (n_centers, (l_out+1)², F)."""
        per_degree = self.radial(basis).view(-1, self.n_degrees, 1, self.n_features)
        radial = per_degree.expand(-1, -1, self.l_sender + 1, -1).flatten(1)
        message = self._couple(self.edge_sum(radial, harmonics, state, edge_index, n_centers) * self.sum_scale)
        old = state[:n_centers].transpose(0, 1)
        refined = self.dense_out(gated_silu(self.dense_in(add_degrees(message, old))))
        return add_degrees(refined, old).transpose(0, 1)

    def _couple(self, uncoupled: Tensor) -> Tensor:
        """Sum over the paths to each degree, one weight per path and feature: ((l_out+1)², n, F)."""
        degrees: list[Tensor] = []
        start = 0
        for part in self.coupling(uncoupled):
            weight = self.path_weight.narrow(0, start, part.shape[0])
            degrees.append((part * weight.view(-1, 1, 1, self.n_features)).sum(0))
            start += part.shape[0]
        return torch.cat(degrees, dim=0)


class E3xPotential(nn.Module):
    """E = Σ_i [ shift(type_i) + scale w·x_i ], x_i the scalars after the last iteration.

    Obeys the model contract: `forward` for a whole graph, `embed` and `layer` for exchange between MPI ranks.

    Args:
        n_types: number of atom types.
        cutoff: Å.
        max_degree: largest degree of features and spherical harmonics, 0..3.
        features: features per degree.
        num_iterations: rounds of message passing.
        num_basis_functions: radial basis functions.
        n_neighbors: average number of neighbours within the cutoff in the training data.
        shift: (n_types,) energy per atom, eV.
        scale: energy scale, eV.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        *,
        n_types: int,
        cutoff: float,
        max_degree: int,
        features: int,
        num_iterations: int,
        num_basis_functions: int,
        n_neighbors: float,
        shift: Tensor,
        scale: float,
    ) -> None:
        super().__init__()
        self.max_degree = max_degree
        self.n_layers = num_iterations
        self.embedding = nn.Embedding(n_types, features)
        self.basis = ReciprocalBernstein(num_basis_functions, cutoff)
        self.iterations = nn.ModuleList(
            Iteration(
                l_max=max_degree,
                l_sender=max_degree if index > 0 else 0,
                l_out=max_degree if index < num_iterations - 1 else 0,
                n_features=features,
                n_basis=num_basis_functions,
                n_neighbors=n_neighbors,
            )
            for index in range(num_iterations)
        )
        self.readout = nn.Linear(features, 1, bias=False)
        dtype = torch.get_default_dtype()
        self.register_buffer("shift", shift.to(dtype))
        self.register_buffer("scale", torch.tensor(scale, dtype=dtype))

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Node energies (n_nodes,), eV; arguments as in `keys`."""
        basis, harmonics = self._edges(edge_vectors)
        state = self.embed(types)
        for iteration in self.iterations:
            state = iteration(types.shape[0], state, edge_index, basis, harmonics)
        return self._energies(types, state)

    @torch.jit.export
    def embed(self, types: Tensor) -> Tensor:
        """State before the first iteration, (n_nodes, 1, F): one learned vector per type."""
        return self.embedding(types).unsqueeze(1)

    @torch.jit.export
    def layer(
        self, k: int, n_centers: int, types: Tensor, state: Tensor, edge_index: Tensor, edge_vectors: Tensor
    ) -> tuple[Tensor, Tensor]:
        """State (n_centers, *, F) after iteration k; node energies (n_centers,), eV, all of them from the last."""
        basis, harmonics = self._edges(edge_vectors)
        new = state
        for index, iteration in enumerate(self.iterations):
            if index == k:
                new = iteration(n_centers, state, edge_index, basis, harmonics)
        if k == self.n_layers - 1:
            return new, self._energies(types[:n_centers], new)
        return new, torch.zeros([n_centers], dtype=edge_vectors.dtype, device=edge_vectors.device)

    def _edges(self, edge_vectors: Tensor) -> tuple[Tensor, Tensor]:
        distances, harmonics = so3.distances_and_harmonics(self.max_degree, edge_vectors)
        return self.basis(distances), harmonics

    def _energies(self, types: Tensor, state: Tensor) -> Tensor:
        return self.shift.index_select(0, types) + self.scale * self.readout(state[:, 0]).squeeze(-1)
