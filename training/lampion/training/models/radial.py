"""Radial basis and smooth cutoff."""

import math

import torch
from torch import Tensor, nn


def smooth_cutoff(distances: Tensor, cutoff: float) -> Tensor:
    """Polynomial envelope u(x) = 1 - 28 x⁶ + 48 x⁷ - 21 x⁸, x = r / cutoff, zero beyond; C² at the cutoff.

    Args:
        distances: (n_edges,), Å.
        cutoff: Å.

    Source: Gasteiger, Groß, Günnemann 2020, arXiv:2003.03123, equation 8 with p = 6.
    """
    x = torch.clamp(distances / cutoff, max=1.0)
    x6 = x * x * x
    x6 = x6 * x6
    return 1.0 + x6 * (-28.0 + x * (48.0 - 21.0 * x))


class RadialBasis(nn.Module):
    """b_k(r) = cos(w_k t), t = 1 / (1 + (r / r0)²).

    The coordinate t spends its resolution near contact distances r0, where potentials are steep, and stays bounded
    at r -> 0; with it 8 functions fit a Lennard-Jones force as well as 14 Bessel functions, with coefficients a
    hundred times smaller. Frequencies w_k start at k π and are learned.

    Args:
        n_basis: number of basis functions.
        contact: r0, the shortest distance expected, Å.
    """

    def __init__(self, n_basis: int, contact: float) -> None:
        super().__init__()
        self.contact = float(contact)
        self.frequencies = nn.Parameter(math.pi * torch.arange(1, n_basis + 1, dtype=torch.get_default_dtype()))

    def forward(self, distances: Tensor) -> Tensor:
        """Distances (n_edges,) in Å -> (n_edges, n_basis)."""
        x = distances.unsqueeze(-1) / self.contact
        return torch.cos(self.frequencies / (1.0 + x * x))


class RadialFunctions(nn.Module):
    """Radial functions of an edge: R(r) = W u(r) silu(V (a_i ∘ c_j ∘ b(r))), b of `RadialBasis`.

    The amplitudes a_i belong to the receiver's type, c_j to the sender's. The envelope u multiplies after all that is
    not linear and the maps have no bias, so every function and its first two derivatives vanish at the cutoff: a
    function that does not makes the energy jump whenever a neighbour crosses the cutoff, and NVE drifts.

    Args:
        n_basis: number of basis functions.
        n_functions: number of radial functions.
        n_types: number of atom types.
        cutoff: Å.
        contact: see `RadialBasis`.
        hidden: width of the SiLU layer between basis and functions, 0 for none.
    """

    def __init__(
        self, n_basis: int, n_functions: int, *, n_types: int, cutoff: float, contact: float, hidden: int = 0
    ) -> None:
        super().__init__()
        self.cutoff = float(cutoff)
        self.basis = RadialBasis(n_basis, contact)
        spread = 0.3 if n_types > 1 else 0.0
        self.receiver = nn.Parameter(1.0 + spread * torch.randn(n_types, n_basis))
        self.sender = nn.Parameter(1.0 + spread * torch.randn(n_types, n_basis))
        width = hidden if hidden > 0 else n_basis
        self.hidden = nn.Linear(n_basis, hidden, bias=False) if hidden > 0 else nn.Identity()
        self.activation: nn.Module = nn.SiLU() if hidden > 0 else nn.Identity()
        self.out = nn.Linear(width, n_functions, bias=False)

    def forward(self, distances: Tensor, receivers: Tensor, senders: Tensor) -> Tensor:
        """Distances (n_edges,) in Å and the types of both ends (n_edges,) -> (n_edges, n_functions)."""
        # before the last map, which is linear: there are many more functions than hidden values
        values = self._hidden(distances, receivers, senders) * smooth_cutoff(distances.unsqueeze(-1), self.cutoff)
        return self.out(values)

    def without_envelope(self, distances: Tensor, receivers: Tensor, senders: Tensor) -> Tensor:
        """R / u, arguments as in `forward`: what varies slowly, for tables."""
        return self.out(self._hidden(distances, receivers, senders))

    def _hidden(self, distances: Tensor, receivers: Tensor, senders: Tensor) -> Tensor:
        amplitudes = self.receiver.index_select(0, receivers) * self.sender.index_select(0, senders)
        return self.activation(self.hidden(self.basis(distances) * amplitudes))
