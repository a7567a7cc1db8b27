"""Short-range repulsion between nuclei as a fixed part of the potential."""

import math
from collections.abc import Mapping, Sequence

import ase.data
import scipy.constants
import torch
from torch import Tensor, nn

from lampion.training.errors import ConfigError
from lampion.training.models.edges import sum_into_receivers
from lampion.training.models.radial import smooth_cutoff

#: e² / (4 π ε0) in eV Å
COULOMB = scipy.constants.e / (4 * scipy.constants.pi * scipy.constants.epsilon_0) * 1e10

#: share of the shortest distance in the data from which on the network is not trusted to extrapolate
CLOSER = 0.85


class ScreenedRepulsion(nn.Module):
    """Half of E = Σ_pairs Z_i Z_j e² / (4πε0 r) φ(r / a) u(r / r_c) at each end of an edge.

    Ziegler-Biersack-Littmark screening φ with a = 0.4685 Å / (Z_i^0.23 + Z_j^0.23), as in LAMMPS `pair_style zbl`
    (Ziegler, Biersack, Littmark 1985, The Stopping and Range of Ions in Matter). The envelope u ends at r_c, the sum of
    the covalent radii (Cordero 2008, 10.1039/b801115j) or `CLOSER` times the shortest distance of the pair in the
    training data, whichever is less: where there are data, and a little beyond, they alone decide. A bond with hydrogen
    swings well inside the sum of the radii; were the prior felt there, the network would spend itself on undoing it. A
    bond a little shorter than any in training is better told by the network than by the prior.

    Args:
        type_names: chemical symbol of each type.
        shortest: shortest distance seen per pair of type names ("C-H", alphabetical), Å.

    Raises:
        ConfigError: a type name is no chemical element.
    """

    charges: Tensor
    powers: Tensor
    reaches: Tensor

    def __init__(self, type_names: Sequence[str], shortest: Mapping[str, float]) -> None:
        super().__init__()
        unknown = [name for name in type_names if name not in ase.data.atomic_numbers]
        if unknown:
            raise ConfigError(
                f"model.repulsion: zbl needs chemical elements, '{unknown[0]}' is none; set model.repulsion to none"
            )
        numbers = [ase.data.atomic_numbers[name] for name in type_names]
        dtype = torch.get_default_dtype()
        self.register_buffer("charges", torch.tensor(numbers, dtype=dtype), persistent=False)
        self.register_buffer("powers", self.charges**0.23, persistent=False)
        self.register_buffer("reaches", _reaches(type_names, shortest).to(dtype), persistent=False)

    def forward(self, n_centers: int, types: Tensor, edge_index: Tensor, distances: Tensor) -> Tensor:
        """Energies (n_centers,) in eV of the receiving nodes; arguments as in `EquivariantPotential.layer`."""
        center, neighbor = types.index_select(0, edge_index[0]), types.index_select(0, edge_index[1])
        charge = self.charges.index_select(0, center) * self.charges.index_select(0, neighbor)
        inverse_length = (self.powers.index_select(0, center) + self.powers.index_select(0, neighbor)) / 0.46850
        reach = self.reaches.index_select(0, center * self.charges.shape[0] + neighbor)
        pair = screened_coulomb(distances, charge, inverse_length) * smooth_cutoff(distances / reach, 1.0)
        return sum_into_receivers(0.5 * pair, edge_index, n_centers)


def _reaches(type_names: Sequence[str], shortest: Mapping[str, float]) -> Tensor:
    """r_c of every ordered pair of types, (n_types²,) float64, Å."""
    radii = {name: float(ase.data.covalent_radii[ase.data.atomic_numbers[name]]) for name in type_names}
    pairs = [(a, b) for a in type_names for b in type_names]
    seen = [CLOSER * shortest.get("-".join(sorted(pair)), math.inf) for pair in pairs]
    found = [min(radii[a] + radii[b], distance) for (a, b), distance in zip(pairs, seen, strict=True)]
    return torch.tensor(found, dtype=torch.float64)


def screened_coulomb(
    distances: Tensor, charge_product: Tensor, inverse_length: Tensor, coulomb: float = COULOMB
) -> Tensor:
    """Z_i Z_j e² / (4πε0 r) φ(r / a) in eV.

    Args:
        distances: (n_edges,), Å.
        charge_product: (n_edges,), Z_i Z_j.
        inverse_length: (n_edges,), 1 / a in 1/Å.
        coulomb: e² / (4πε0) in eV Å.
    """
    x = distances * inverse_length
    screening = 0.18175 * torch.exp(-3.19980 * x) + 0.50986 * torch.exp(-0.94229 * x)
    screening = screening + 0.28022 * torch.exp(-0.40290 * x) + 0.02817 * torch.exp(-0.20162 * x)
    return coulomb * charge_product / distances * screening
