"""Node operations: channel mixing per degree and many-body products of the summed messages."""

import math

import torch
from torch import Tensor, nn

from lampion.training import so3


def _degrees(l_max: int) -> list[int]:
    return [degree for degree in range(l_max + 1) for _ in range(2 * degree + 1)]


class DegreeLinear(nn.Module):
    """Mixes channels with one matrix per degree and no bias, so that it commutes with rotations.

    Args:
        l_max: largest degree of the features.
        n_in, n_out: channels.
    """

    degree: Tensor

    def __init__(self, l_max: int, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(l_max + 1, n_in, n_out) / math.sqrt(n_in))
        self.register_buffer("degree", torch.tensor(_degrees(l_max)), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, (l_max+1)², n_in) to (n, (l_max+1)², n_out)."""
        return torch.einsum("nmi,mio->nmo", features, self.weight.index_select(0, self.degree))


class Product(nn.Module):
    """Sum over all paths of W_path · C_path(a[l1] ⊗ b[l2]): raises the body order by one.

    Repeated products of the summed messages give the many-body features of the atomic cluster expansion
    (Drautz 2019, 10.1103/PhysRevB.99.014104) used by MACE (arXiv:2206.07697).

    Args:
        l_max: largest degree of both factors and of the result.
        n_channels: channels; one (C, C) matrix W per path.
    """

    table: Tensor
    path_of_row: Tensor
    component_of_row: Tensor

    def __init__(self, l_max: int, n_channels: int) -> None:
        super().__init__()
        self.size = so3.n_components(l_max)
        paths = so3.paths(l_max, l_max, l_max)
        self.weight = nn.Parameter(torch.randn(len(paths), n_channels, n_channels) / math.sqrt(n_channels * 4))
        tables: list[Tensor] = []
        path_of_row: list[int] = []
        component_of_row: list[int] = []
        for index, path in enumerate(paths):
            table = torch.zeros(2 * path.l3 + 1, self.size, self.size, dtype=torch.get_default_dtype())
            table[:, path.l1**2 : (path.l1 + 1) ** 2, path.l2**2 : (path.l2 + 1) ** 2] = so3.coupling(path).permute(
                2, 0, 1
            )
            tables.append(table)
            path_of_row += [index] * (2 * path.l3 + 1)
            component_of_row += range(path.l3**2, (path.l3 + 1) ** 2)
        self.register_buffer("table", torch.cat(tables).reshape(-1, self.size * self.size), persistent=False)
        self.register_buffer("path_of_row", torch.tensor(path_of_row), persistent=False)
        self.register_buffer("component_of_row", torch.tensor(component_of_row), persistent=False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Couple a and b, each (n, (l_max+1)², C), to the same shape."""
        outer = (a.unsqueeze(2) * b.unsqueeze(1)).reshape(-1, self.size * self.size, a.shape[2])
        coupled = torch.einsum("nac,ra->nrc", outer, self.table)
        mixed = torch.einsum("nri,rio->nro", coupled, self.weight.index_select(0, self.path_of_row))
        return torch.zeros_like(a).index_add(1, self.component_of_row, mixed)
