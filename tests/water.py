"""Water molecules with analytic bonds."""

from pathlib import Path

import ase.io
import torch
from ase.build import molecule
from torch import Tensor, nn

WATER = molecule("H2O")


class Water(nn.Module):
    """Morse bonds between O and H, a soft repulsion between the hydrogens; energies in eV, distances in Å."""

    def __init__(self, depth: float) -> None:
        super().__init__()
        self.depth = depth

    def bonds(self, like: Tensor, r: Tensor) -> Tensor:
        """Energies of pairs of like and unlike elements."""
        well = 1.0 - torch.exp(-2.2 * (r - 0.97))
        return torch.where(like, 4.0 * torch.exp(-2.0 * r), self.depth * (well * well - 1.0))

    def pair(self, like: Tensor, r: Tensor) -> Tensor:
        return self.bonds(like, r)

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        i, j = edge_index[0], edge_index[1]
        r = torch.linalg.vector_norm(edge_vectors, dim=-1)
        types = torch.clamp(types, max=1)
        pair = self.pair(types[i] == types[j], r)
        return torch.zeros(types.shape[0], dtype=pair.dtype).index_add(0, i, 0.5 * pair)


def write_frames(folder: Path) -> Path:
    """Eight molecules a little out of shape."""
    frames = []
    for seed in range(8):
        frames.append(WATER.copy())
        frames[-1].rattle(0.05, seed=seed)
    ase.io.write(folder / "water.xyz", frames)
    return folder / "water.xyz"
