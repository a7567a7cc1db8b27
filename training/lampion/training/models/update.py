"""Node operations: mixing of channels, coupling of degrees, many-body powers.

Features are (components, n, C): all nodes of one component lie together, so that every operation is one matrix product.
"""

import math

import torch
from scipy.integrate import lebedev_rule
from torch import Tensor, nn

from lampion.training.models import so3

#: orders for which Lebedev's quadrature of the sphere is tabulated and needed here
LEBEDEV_DEGREES = (3, 5, 7, 9, 11, 13)


class DegreeLinear(nn.Module):
    """Mixes channels with one matrix per degree and no bias, so that it commutes with rotations.

    Args:
        l_max: largest degree of the features.
        n_in, n_out: channels.
    """

    def __init__(self, l_max: int, n_in: int, n_out: int) -> None:
        super().__init__()
        self.l_max, self.n_in, self.n_out = l_max, n_in, n_out
        self.weight = nn.Parameter(torch.randn(l_max + 1, n_in, n_out) / math.sqrt(n_in))

    def forward(self, features: Tensor) -> Tensor:
        """Map ((l_max+1)², n, n_in) to ((l_max+1)², n, n_out)."""
        mixed: list[Tensor] = []
        n = features.shape[1]
        for degree in range(self.l_max + 1):
            size = 2 * degree + 1
            part = features.narrow(0, degree * degree, size)
            mixed.append((part.reshape(size * n, self.n_in) @ self.weight[degree]).view(size, n, self.n_out))
        return torch.cat(mixed, dim=0)


class Coupling(nn.Module):
    """B[path, m3] = Σ_m1m2 C_path A[l1 m1, l2 m2]: all allowed couplings of an uncoupled product.

    Args:
        l1_max, l2_max: largest degrees of the factors.
        l3_max: largest degree of the result.
    """

    table: Tensor

    def __init__(self, l1_max: int, l2_max: int, l3_max: int) -> None:
        super().__init__()
        columns = {pair: column for column, pair in enumerate(so3.pair_components(l1_max, l2_max))}
        paths = so3.paths(l1_max, l2_max, l3_max)
        self.n_paths = [sum(path.l3 == degree for path in paths) for degree in range(l3_max + 1)]
        rows = []
        for path in paths:  # ordered by l3
            coefficients = torch.zeros(len(columns), 2 * path.l3 + 1, dtype=torch.float64)
            for m1 in range(2 * path.l1 + 1):
                for m2 in range(2 * path.l2 + 1):
                    column = columns[path.l1**2 + m1, path.l2**2 + m2]
                    coefficients[column] = so3.coupling(path)[m1, m2]
            rows.append(coefficients.T)
        self.register_buffer("table", torch.cat(rows).to(torch.get_default_dtype()), persistent=False)

    def forward(self, uncoupled: Tensor) -> list[Tensor]:
        """(n_components, n, C) to one tensor (n_paths, 2 l3+1, n, C) per degree l3."""
        n, channels = uncoupled.shape[1], uncoupled.shape[2]
        coupled = self.table @ uncoupled.reshape(self.table.shape[1], n * channels)
        coupled = coupled.view(self.table.shape[0], n, channels)
        parts: list[Tensor] = []
        start = 0
        for degree, count in enumerate(self.n_paths):
            rows = count * (2 * degree + 1)
            parts.append(coupled.narrow(0, start, rows).view(count, 2 * degree + 1, n, channels))
            start += rows
        return parts


class PathMix(nn.Module):
    """B[l3] = Σ_paths W_path B[path]: one matrix of channels per coupling.

    Args:
        l1_max, l2_max, l3_max: as in `Coupling`.
        n_channels: channels C.
    """

    def __init__(self, l1_max: int, l2_max: int, l3_max: int, n_channels: int) -> None:
        super().__init__()
        self.coupling = Coupling(l1_max, l2_max, l3_max)
        self.n_channels = n_channels
        sizes = [1 / math.sqrt(n_channels * count) for count in self.coupling.n_paths for _ in range(count)]
        weight = torch.randn(len(sizes), n_channels, n_channels) * torch.tensor(sizes).view(-1, 1, 1)
        self.weight = nn.Parameter(weight)

    def forward(self, uncoupled: Tensor) -> Tensor:
        """(n_components, n, C) to ((l3_max+1)², n, C)."""
        n = uncoupled.shape[1]
        mixed: list[Tensor] = []
        start = 0
        for part in self.coupling(uncoupled):
            weight = self.weight.narrow(0, start, part.shape[0])
            mixed.append(torch.bmm(part.flatten(1, 2), weight).sum(0).view(part.shape[1], n, self.n_channels))
            start += part.shape[0]
        return torch.cat(mixed, dim=0)


class SpherePowers(nn.Module):
    """Many-body products as powers of functions on the sphere.

    Features are coefficients of functions f(Ω) = Σ f_lm Y_lm(Ω). The power of a function, taken point by point and
    projected back on the harmonics, is a sum over all couplings of natural parity (Gaunt coefficients). With a
    quadrature that is exact for the degree of the power it commutes with rotations exactly, and its cost grows with
    the number of points instead of the number of couplings. The channels have been mixed before and are mixed after,
    which makes powers of sums, and so products of different channels, of the powers of one: factors of their own for
    every place in a product cost twice as much and predict no better.

    Powers of summed messages are the many-body features of the atomic cluster expansion (Drautz 2019,
    10.1103/PhysRevB.99.014104) used by MACE (arXiv:2206.07697), which are symmetric in the same way; products by
    quadrature: Luo, Chen, Krishnapriyan 2024, arXiv:2401.10216; quadrature: Lebedev and Laikov 1999, tables of scipy.

    Args:
        l_in: largest degree of the features.
        l_out: largest degree of the powers.
        n_channels: channels C.
        max_power: powers 2 .. max_power are made.
    """

    to_points: Tensor
    from_points: Tensor

    def __init__(self, l_in: int, l_out: int, n_channels: int, max_power: int) -> None:
        super().__init__()
        self.n_channels = n_channels
        self.results = nn.ModuleList([DegreeLinear(l_out, n_channels, n_channels) for _ in range(max_power - 1)])
        degree = max_power * l_in + l_out
        points, weights = lebedev_rule(next(order for order in LEBEDEV_DEGREES if order >= degree))
        harmonics = so3.spherical_harmonics(max(l_in, l_out), torch.from_numpy(points.T))
        to_points = harmonics[:, : so3.n_components(l_in)] / math.sqrt(so3.n_components(l_in))
        from_points = harmonics[:, : so3.n_components(l_out)].T * torch.from_numpy(weights / weights.sum())
        dtype = torch.get_default_dtype()
        self.register_buffer("to_points", to_points.to(dtype), persistent=False)
        self.register_buffer("from_points", from_points.to(dtype), persistent=False)

    def forward(self, features: Tensor) -> list[Tensor]:
        """((l_in+1)², n, C) to the powers 2, 3, ..., each ((l_out+1)², n, C)."""
        n = features.shape[1]
        n_in, n_out = self.to_points.shape[1], self.from_points.shape[0]
        # sizes are spelled out, since a rank without atoms leaves none to be inferred
        values = self.to_points @ features.reshape(n_in, n * self.n_channels)
        power = values
        powers: list[Tensor] = []
        for result in self.results:
            power = power * values
            powers.append(result((self.from_points @ power).view(n_out, n, self.n_channels)))
        return powers
