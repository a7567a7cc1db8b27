"""The edge operation: radial function x spherical harmonic x sender state, summed into the receiver.

All work that scales with the number of edges is in `EdgeSum`: a fused kernel can replace exactly that module.
"""

import torch
from torch import Tensor, nn

from lampion.training.models.edges import read_senders, sum_into_receivers, sum_products


def degrees(l_max: int) -> list[int]:
    """Numbers of components of the degrees up to `l_max`."""
    return [2 * degree + 1 for degree in range(l_max + 1)]


class EdgeSum(nn.Module):
    """A_i[l1 m1, l2 m2] = Σ_j R_{l1 l2}(r_ij) Y_{l1 m1}(r̂_ij) h_j[l2 m2], per channel.

    The product of harmonic and state is left uncoupled: to couple it to degrees l3 is linear and the same for every
    edge, so it is done once per node (`update.Coupling`) and not once per edge.

    Args:
        l_max: largest degree of the harmonics.
        l_sender: largest degree of the sender state.
        n_channels: channels C.
    """

    def __init__(self, l_max: int, l_sender: int, n_channels: int) -> None:
        super().__init__()
        self.l_max, self.l_sender, self.n_channels = l_max, l_sender, n_channels

    @property
    def n_functions(self) -> int:
        """Number of radial functions it consumes: one per pair of degrees and channel."""
        return (self.l_max + 1) * (self.l_sender + 1) * self.n_channels

    def forward(self, radial: Tensor, harmonics: Tensor, state: Tensor, edge_index: Tensor, n_centers: int) -> Tensor:
        """Sum the messages of all edges into their centres.

        Args:
            radial: (n_edges, n_functions).
            harmonics: (n_edges, (l_max+1)²).
            state: (n_nodes, (l_sender+1)², C).
            edge_index: (2, n_edges), row 0 receives, row 1 sends.
            n_centers: number of receiving nodes.

        Returns:
            (n_components, n_centers, C), components ordered as `so3.pair_components`.
        """
        sender = read_senders(state, edge_index)
        # split, not sliced: the gradient is then put together once, where slices add tensors filled up with zeros
        weights = radial.view(-1, (self.l_max + 1) * (self.l_sender + 1), self.n_channels).unbind(1)
        states = sender.split(degrees(self.l_sender), dim=1)
        directions = harmonics.split(degrees(self.l_max), dim=1)
        sums: list[Tensor] = []
        for l1 in range(self.l_max + 1):
            parts: list[Tensor] = []
            for l2 in range(self.l_sender + 1):
                parts.append(weights[l1 * (self.l_sender + 1) + l2].unsqueeze(1) * states[l2])
            weighted = torch.cat(parts, dim=1).flatten(1)
            if l1 == 0:  # Y_00 = 1
                sums.append(sum_into_receivers(weighted, edge_index, n_centers).unsqueeze(1))
            else:
                sums.append(sum_products(directions[l1], weighted, edge_index, n_centers))
        n_components = harmonics.shape[1] * sender.shape[1]  # spelled out, since a rank may have no atoms
        return torch.cat(sums, dim=1).view(n_centers, n_components, self.n_channels).transpose(0, 1)
