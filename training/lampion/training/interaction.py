"""The edge operation: radial function x spherical harmonic x sender state, summed into the receiver.

All work that scales with the number of edges is in `EdgeSum`: a fused kernel can replace exactly that module.
"""

import torch
from torch import Tensor, nn

from lampion.training import so3


class Coupling(nn.Module):
    """One path l1 ⊗ l2 -> l3 on all edges: R · C(Y_l1 ⊗ h_l2), per channel."""

    table: Tensor

    def __init__(self, path: so3.Path) -> None:
        super().__init__()
        self.l1, self.l2, self.l3 = path
        table = so3.coupling(path).to(torch.get_default_dtype())
        self.register_buffer("table", table.reshape(2 * self.l1 + 1, -1), persistent=False)

    def forward(self, radial: Tensor, harmonics: Tensor, sender: Tensor) -> Tensor:
        """Radial (n_edges, C), harmonics (n_edges, M), sender (n_edges, M', C) -> (n_edges, 2 l3+1, C)."""
        y = harmonics.narrow(1, self.l1 * self.l1, 2 * self.l1 + 1)
        h = sender.narrow(1, self.l2 * self.l2, 2 * self.l2 + 1)
        weighted = h * radial.unsqueeze(1)
        if self.l1 == 0:
            return weighted
        if self.l2 == 0:  # the coupling matrix is the identity: no sum over components
            return y.unsqueeze(-1) * weighted
        mixing = (y @ self.table).view(-1, 2 * self.l2 + 1, 2 * self.l3 + 1, 1)
        return (mixing * weighted.unsqueeze(2)).sum(dim=1)


class EdgeSum(nn.Module):
    """A_i[l3] = Σ_j Σ_paths R_path(r_ij) · C_path(Y_l1(r̂_ij) ⊗ h_j[l2]), per channel.

    Args:
        l_max: largest degree of the harmonics.
        l_sender: largest degree of the sender state.
        n_channels: channels C.
        l_out: largest degree of the result; none: `l_max`.
    """

    def __init__(self, l_max: int, l_sender: int, n_channels: int, l_out: int | None = None) -> None:
        super().__init__()
        self.n_channels = n_channels
        paths = so3.paths(l_max, l_sender, l_max if l_out is None else l_out)
        self.l3 = [path.l3 for path in paths]
        self.couplings = nn.ModuleList([Coupling(path) for path in paths])

    @property
    def n_functions(self) -> int:
        """Number of radial functions it consumes: paths x channels."""
        return len(self.couplings) * self.n_channels

    def forward(self, radial: Tensor, harmonics: Tensor, state: Tensor, edge_index: Tensor, n_centers: int) -> Tensor:
        """Sum the messages of all edges into their centres.

        Args:
            radial: (n_edges, paths x C).
            harmonics: (n_edges, (l_max+1)²).
            state: (n_nodes, (l_sender+1)², C).
            edge_index: (2, n_edges), row 0 receives, row 1 sends.
            n_centers: number of receiving nodes.

        Returns:
            (n_centers, (l_out+1)², C).
        """
        sender = state.index_select(0, edge_index[1])
        weights = radial.view(-1, len(self.couplings), self.n_channels).unbind(1)
        messages: list[Tensor] = []
        for index, coupling in enumerate(self.couplings):  # grouped by l3
            message = coupling(weights[index], harmonics, sender)
            if index > 0 and self.l3[index] == self.l3[index - 1]:
                messages[-1] = messages[-1] + message
            else:
                messages.append(message)
        summed = torch.cat(messages, dim=1)
        zeros = torch.zeros([n_centers, summed.shape[1], self.n_channels], dtype=summed.dtype, device=summed.device)
        return zeros.index_add(0, edge_index[0], summed)
