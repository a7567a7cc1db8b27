"""The default potential: an equivariant message-passing network with many-body powers."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lampion.training.models import so3
from lampion.training.models.interaction import EdgeSum
from lampion.training.models.radial import RadialFunctions
from lampion.training.models.repulsion import ScreenedRepulsion
from lampion.training.models.update import DegreeLinear, PathMix, SpherePowers


class Edges(NamedTuple):
    """What every layer needs of the edges.

    Attributes:
        receivers, senders: (n_edges,) types of both ends.
        distances: (n_edges,) Å.
        harmonics: (n_edges, (l_max+1)²).
    """

    receivers: Tensor
    senders: Tensor
    distances: Tensor
    harmonics: Tensor


class Layer(nn.Module):
    """One round of message passing: edge sum, coupling, powers, update of the state, energy readout.

    Args:
        l_max: largest degree of the harmonics and of what is raised to powers.
        l_sender: largest degree of the state it receives (0 in the first layer: only the embedding exists).
        l_out: largest degree of the state it makes (0 in the last layer, of which only scalars are read).
        n_channels: channels per degree.
        n_types: number of atom types.
        n_basis: radial basis functions.
        radial_width: hidden width of the radial network, 0 for a linear map.
        cutoff: Å.
        contact: shortest distance expected, Å: where the radial functions have their resolution.
        body_order: number of bodies per layer, 2 (no power) to 4.
        n_neighbors: average number of neighbours, to keep sums near unit size.
        readout_width: hidden width of the energy readout.
    """

    sum_scale: Tensor

    def __init__(
        self,
        *,
        l_max: int,
        l_sender: int,
        l_out: int,
        n_channels: int,
        n_types: int,
        n_basis: int,
        radial_width: int,
        cutoff: float,
        contact: float,
        body_order: int,
        n_neighbors: float,
        readout_width: int,
    ) -> None:
        super().__init__()
        self.n_common = so3.n_components(min(l_sender, l_out))
        self.edge_sum = EdgeSum(l_max, l_sender, n_channels)
        self.radial = RadialFunctions(
            n_basis, self.edge_sum.n_functions, n_types=n_types, cutoff=cutoff, contact=contact, hidden=radial_width
        )
        self.mix = PathMix(l_max, l_sender, l_max, n_channels)
        self.powers = SpherePowers(l_max, l_out, n_channels, body_order - 1) if body_order > 2 else None
        self.order_scale = nn.Parameter(torch.ones(n_types, body_order - 1, n_channels))
        self.update = DegreeLinear(l_out, n_channels, n_channels)
        self.residual = DegreeLinear(min(l_sender, l_out), n_channels, n_channels)
        self.readout_linear = nn.Linear(n_channels, 1, bias=False)
        self.readout_hidden = nn.Linear(n_channels, readout_width)
        self.readout_out = nn.Linear(readout_width, 1, bias=False)
        with torch.no_grad():  # start near the mean energy of the data: a random offset takes epochs to unlearn
            self.readout_linear.weight.mul_(0.1)
            self.readout_out.weight.mul_(0.1)
        self.register_buffer("sum_scale", torch.tensor(n_neighbors**-0.5))

    def forward(
        self, n_centers: int, types: Tensor, state: Tensor, edge_index: Tensor, edges: Edges
    ) -> tuple[Tensor, Tensor]:
        """New state (n_centers, (l_out+1)², C) and this layer's energies (n_centers,), before scaling."""
        radial = self.radial(edges.distances, edges.receivers, edges.senders)
        summed = self.edge_sum(radial, edges.harmonics, state, edge_index, n_centers)
        first = self.mix(summed * self.sum_scale)
        scale = self.order_scale.index_select(0, types[:n_centers])
        new = self.update(first) * scale[:, 0]
        if self.powers is not None:
            for order, power in enumerate(self.powers(first)):
                new = new + power * scale[:, order + 1]
        old = self.residual(state[:n_centers, : self.n_common].transpose(0, 1))
        new = torch.cat([new[: self.n_common] + old, new[self.n_common :]], dim=0)
        scalars = new[0]
        hidden = torch.nn.functional.silu(self.readout_hidden(scalars))
        return new.transpose(0, 1), (self.readout_linear(scalars) + self.readout_out(hidden)).squeeze(-1)


class EquivariantPotential(nn.Module):
    """E = Σ_i [ shift(type_i) + scale Σ_k readout_k(state_i^k) ] + E_repulsion, state^k equivariant.

    Obeys the model contract: `forward` for a whole graph, `embed` and `layer` for exchange between MPI ranks.

    Args:
        n_types: number of atom types.
        cutoff: Å.
        contact: shortest distance expected, Å: where the radial functions have their resolution.
        l_max: largest degree of harmonics and powers, 0..3.
        l_state: largest degree of the states that nodes send to each other, 0..l_max.
        n_channels: channels per degree.
        n_layers: rounds of message passing.
        n_basis, radial_width, body_order, readout_width: see `Layer`.
        n_neighbors: average number of neighbours within the cutoff in the training data.
        shift: (n_types,) energy per atom, eV.
        scale: energy scale, eV.
        repulsion: fixed repulsion of the nuclei, or none.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        *,
        n_types: int,
        cutoff: float,
        contact: float,
        l_max: int,
        l_state: int,
        n_channels: int,
        n_layers: int,
        n_basis: int,
        radial_width: int,
        body_order: int,
        readout_width: int,
        n_neighbors: float,
        shift: Tensor,
        scale: float,
        repulsion: ScreenedRepulsion | None,
    ) -> None:
        super().__init__()
        self.l_max = l_max
        self.n_layers = n_layers
        self.n_types = n_types
        self.embedding = nn.Embedding(self.n_types, n_channels)
        self.layers = nn.ModuleList(
            [
                Layer(
                    l_max=l_max,
                    l_sender=l_state if index > 0 else 0,
                    l_out=l_state if index < n_layers - 1 else 0,
                    n_channels=n_channels,
                    n_types=self.n_types,
                    n_basis=n_basis,
                    radial_width=radial_width,
                    cutoff=cutoff,
                    contact=contact,
                    body_order=body_order,
                    n_neighbors=n_neighbors,
                    readout_width=readout_width,
                )
                for index in range(n_layers)
            ]
        )
        self.repulsion = repulsion
        dtype = torch.get_default_dtype()
        self.register_buffer("shift", shift.to(dtype))
        self.register_buffer("scale", torch.tensor(scale, dtype=dtype))

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Node energies (n_nodes,), eV; arguments as in `keys`."""
        edges = self._edges(types, edge_index, edge_vectors)
        n_nodes = types.shape[0]
        state = self.embed(types)
        energies = self._fixed(n_nodes, types, edge_index, edges.distances)
        for layer in self.layers:
            state, energy = layer(n_nodes, types, state, edge_index, edges)
            energies = energies + self.scale * energy
        return energies

    @torch.jit.export
    def embed(self, types: Tensor) -> Tensor:
        """State before the first layer, (n_nodes, 1, C): one learned vector per type."""
        return self.embedding(types).unsqueeze(1)

    @torch.jit.export
    def layer(
        self, k: int, n_centers: int, types: Tensor, state: Tensor, edge_index: Tensor, edge_vectors: Tensor
    ) -> tuple[Tensor, Tensor]:
        """State (n_centers, *, C) after layer k and its share of the node energies (n_centers,), eV."""
        edges = self._edges(types, edge_index, edge_vectors)
        energies = torch.zeros([n_centers], dtype=edge_vectors.dtype, device=edge_vectors.device)
        if k == 0:
            energies = self._fixed(n_centers, types, edge_index, edges.distances)
        new = state
        for index, layer in enumerate(self.layers):
            if index == k:
                new, energy = layer(n_centers, types, state, edge_index, edges)
                energies = energies + self.scale * energy
        return new, energies

    def _fixed(self, n_centers: int, types: Tensor, edge_index: Tensor, distances: Tensor) -> Tensor:
        """What is not learned: energy per atom of each type and the repulsion of the nuclei, (n_centers,), eV."""
        energies = self.shift.index_select(0, types[:n_centers])
        if self.repulsion is not None:
            energies = energies + self.repulsion(n_centers, types, edge_index, distances)
        return energies

    def _edges(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Edges:
        distances, harmonics = so3.distances_and_harmonics(self.l_max, edge_vectors)
        receivers, senders = types.index_select(0, edge_index[0]), types.index_select(0, edge_index[1])
        return Edges(receivers, senders, distances, harmonics)
