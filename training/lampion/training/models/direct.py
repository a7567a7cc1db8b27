"""A network that predicts forces without an energy and is not equivariant: the control that must fail."""

import math

import torch
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from lampion.training.models.edges import read_senders, sum_into_receivers
from lampion.training.models.radial import RadialBasis, smooth_cutoff


class EdgeMessages(nn.Module):
    """x_i' = MLP_n( Σ_j u(r_ij) MLP_e( x_i * x_j || e_ij ) ), e_ij = (r̂_ij, radial functions of r_ij).

    Direction enters by its Cartesian components, so nothing rotates with the atoms. u is the envelope of `radial`.

    Args:
        n_features: width of x and of the hidden layers.
        n_basis: radial functions.
        cutoff, contact: Å; see `RadialBasis`.
        n_neighbors: average number of neighbours, to keep sums near unit size.
    """

    sum_scale: Tensor

    def __init__(self, n_features: int, n_basis: int, *, cutoff: float, contact: float, n_neighbors: float) -> None:
        super().__init__()
        self.cutoff = float(cutoff)
        self.radial = RadialBasis(n_basis, contact)
        self.edge_network = _perceptron(n_features + 3 + n_basis, n_features)
        self.node_network = _perceptron(n_features, n_features)
        self.register_buffer("sum_scale", torch.tensor(n_neighbors**-0.5))

    def forward(self, state: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """State (n_nodes, F) -> (n_nodes, F)."""
        distances = torch.linalg.vector_norm(edge_vectors, dim=-1)
        envelope = smooth_cutoff(distances, self.cutoff).unsqueeze(-1)
        both = state.index_select(0, edge_index[0]) * read_senders(state, edge_index)
        edge = torch.cat([both, edge_vectors / distances.unsqueeze(-1), self.radial(distances)], dim=-1)
        messages = envelope * self.edge_network(edge)
        return self.node_network(sum_into_receivers(messages, edge_index, state.shape[0]) * self.sum_scale)


def _perceptron(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, n_out), nn.PReLU(), nn.Linear(n_out, n_out), nn.PReLU())


class DirectForces(nn.Module):
    """F_i = scale W x_i after layers of `EdgeMessages`, with residual connections from the second layer on.

    There is no energy: `conservative` is False, and `forward` returns forces. They are neither the gradient of anything
    nor equal and opposite, so energy and momentum drift. Batch statistics, which the published network normalised
    with, would make the force on an atom depend on all others; sums are scaled by the number of neighbours instead.

    Args:
        n_types: number of atom types.
        n_features, n_basis, cutoff, contact, n_neighbors: see `EdgeMessages`.
        n_layers: rounds of message passing.
        scale: force scale, eV/Å.
        rotate: whether `predict` shall turn the batches of a training.
    """

    scale: Tensor
    draws: Tensor

    def __init__(
        self,
        *,
        n_types: int,
        n_features: int,
        n_layers: int,
        n_basis: int,
        cutoff: float,
        contact: float,
        n_neighbors: float,
        scale: float,
        rotate: bool,
    ) -> None:
        super().__init__()
        self.conservative = False
        self.n_layers = n_layers
        self.rotate = rotate
        self.embedding = nn.Embedding(n_types, n_features)
        self.layers = nn.ModuleList(
            EdgeMessages(n_features, n_basis, cutoff=cutoff, contact=contact, n_neighbors=n_neighbors)
            for _ in range(n_layers)
        )
        self.readout = nn.Linear(n_features, 3, bias=False)
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.get_default_dtype()))
        self.register_buffer("draws", torch.zeros((), dtype=torch.int64))

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Forces (n_nodes, 3), eV/Å; arguments as in `keys`."""
        state = self.embedding(types)
        for index, layer in enumerate(self.layers):
            new = layer(state, edge_index, edge_vectors)
            state = new if index == 0 else state + new
        return self.scale * self.readout(state)

    @torch.jit.unused
    def next_rotation(self) -> Tensor:
        """The next matrix (3, 3) of a fixed sequence that covers all rotations evenly.

        Its number is kept with the weights, so that a resumed training sees the rotations of an uninterrupted one.
        """
        self.draws += 1
        return rotation(int(self.draws)).to(self.scale.dtype)


def rotation(index: int) -> Tensor:
    """Element `index` of a low-discrepancy sequence of rotation matrices, (3, 3), float64.

    Uniform quaternions from three numbers (Shoemake 1992, Graphics Gems III) of the additive recurrence whose ratios
    are powers of the root of x⁴ = x + 1, the golden ratio's counterpart in three dimensions.
    """
    root = 1.2207440846057596
    u, v, w = ((0.5 + index / root**power) % 1.0 for power in (1, 2, 3))
    a, b = math.sqrt(1 - u), math.sqrt(u)
    angles = 2 * math.pi * v, 2 * math.pi * w
    quaternion = [a * math.sin(angles[0]), a * math.cos(angles[0]), b * math.sin(angles[1]), b * math.cos(angles[1])]
    return torch.from_numpy(Rotation.from_quat(quaternion).as_matrix())
