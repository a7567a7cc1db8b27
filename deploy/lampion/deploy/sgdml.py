"""sGDML force fields behind the model contract: a reference surface that `lmp` runs.

The descriptor of sGDML holds the distances of all pairs of a molecule, so each atom is a type of its own. One of them,
the anchor, sees all others: its edges say where they are.
"""

import numpy as np
import torch
from torch import Tensor, nn

from lampion.deploy.sgdml_file import SgdmlModel
from lampion.deploy.verify import Configuration

SHORTEST_CUTOFF = 12.0  # Å
MARGIN = 2.0  # times the longest distance from the anchor in the training geometries


class SgdmlPotential(nn.Module):
    """Symmetric gradient-domain kernel model (Chmiela et al. 2018, 10.1038/s41467-018-06169-2).

        E = c + 5/(3σ²) Σ_k (x - x_k)·α_k (1 + s_k) exp(-s_k),   s_k = √5 |x - x_k| / σ,   x = (1/r_ab)

    over the training points k and their permutations. It is the energy of the anchor of each molecule; other atoms have
    none. Any number of molecules, in any order of atoms, that do not see each other. The energy and the forces in a
    molecule are NaN if an atom is beyond the cutoff of the anchor, or there twice: as image in a box too small, or as
    that of another molecule.

    Attributes:
        cutoff: Å.
        type_names: of each atom of the molecule.
        anchor: type of the atom that is nearest to all others.
    """

    alphas: Tensor
    points: Tensor
    offsets: Tensor
    squares: Tensor
    center: Tensor
    pairs: Tensor

    def __init__(self, model: SgdmlModel) -> None:
        super().__init__()
        reach = model.distances().max(axis=(0, 2))
        self.anchor = int(reach.argmin())
        self.cutoff = max(SHORTEST_CUTOFF, MARGIN * float(reach.min()))
        self.type_names = model.type_names
        self.n_layers = 1
        self.n_atoms, self.sigma, self.constant = len(model.symbols), model.length, model.constant
        # Large terms of both signs cancel in the sum over points. Descriptors relative to their mean, and the part of
        # the kernel that is linear in x summed beforehand, keep the digits.
        center = model.descriptors.mean(0)
        points, alphas = torch.from_numpy(model.descriptors - center), torch.from_numpy(model.coefficients)
        self.alphas = nn.Parameter(alphas, requires_grad=False)  # (n_points, n_pairs)
        self.register_buffer("points", points)  # (n_points, n_pairs)
        self.register_buffer("offsets", (points * alphas).sum(1))  # (n_points,)
        self.register_buffer("squares", (points**2).sum(1))  # (n_points,)
        self.register_buffer("center", torch.from_numpy(center))  # (n_pairs,)
        self.register_buffer("pairs", torch.from_numpy(np.stack(model.pairs)))  # (2, n_pairs)

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Node energies (n_nodes,), eV; arguments as in `keys`."""
        whole = self.whole(types, edge_index)
        energies = torch.full([types.shape[0]], torch.nan, dtype=edge_vectors.dtype, device=edge_vectors.device)
        energies = energies.masked_fill(whole, 0.0)
        # forces become NaN, too, only through a term that depends on the edges
        energies = energies.index_add(0, edge_index[0], energies[edge_index[0]] * edge_vectors.sum(1))
        anchors = torch.nonzero(whole & (types == self.anchor)).squeeze(1)
        return energies.index_add(0, anchors, self.energy(self.places(anchors, types, edge_index, edge_vectors)))

    def whole(self, types: Tensor, edge_index: Tensor) -> Tensor:
        """Whether the anchor sees each other atom once, and each other atom the anchor once, (n_nodes,)."""
        i, j = edge_index[0], edge_index[1]
        n_nodes, n = types.shape[0], self.n_atoms
        seen = torch.bincount(i * n + types[j], minlength=n_nodes * n).view(n_nodes, n)
        others = torch.ones_like(seen)
        others[:, self.anchor] = 0
        return torch.where(types == self.anchor, (seen == others).all(1), seen[:, self.anchor] == 1)

    def places(self, anchors: Tensor, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Atoms of each molecule relative to its anchor, in the order of the types, (n_molecules, n_atoms, 3)."""
        i, j = edge_index[0], edge_index[1]
        molecule = torch.full_like(types, -1).index_copy(0, anchors, torch.arange(len(anchors), device=types.device))
        of_anchors = torch.nonzero(molecule[i] >= 0).squeeze(1)
        rows = molecule[i[of_anchors]] * self.n_atoms + types[j[of_anchors]]
        flat = torch.zeros([len(anchors) * self.n_atoms, 3], dtype=edge_vectors.dtype, device=edge_vectors.device)
        return flat.index_add(0, rows, edge_vectors[of_anchors]).view(-1, self.n_atoms, 3)

    def energy(self, places: Tensor) -> Tensor:
        """Energies of molecules, (n_molecules,), eV."""
        vectors = places[:, self.pairs[0]] - places[:, self.pairs[1]]
        x = torch.linalg.vector_norm(vectors, dim=2).reciprocal() - self.center
        projections = x @ self.alphas.T - self.offsets
        squares = (x**2).sum(1, keepdim=True) - 2.0 * x @ self.points.T + self.squares
        s = (5.0 * squares.clamp_min(1e-14)).sqrt() / self.sigma  # the root has no derivative at a training point
        bend = torch.expm1(-s) + s * torch.exp(-s)  # (1 + s) exp(-s) - 1
        total = x @ self.alphas.sum(0) - self.offsets.sum() + (projections * bend).sum(1)
        return 5.0 / (3.0 * self.sigma**2) * total + self.constant


def shortest_distances(model: SgdmlModel) -> dict[str, float]:
    """Shortest distance in the training geometries and their permutations per pair of atoms, Å."""
    names, longest = model.type_names, model.descriptors.max(0)
    return {f"{names[b]}-{names[a]}": float(1.0 / x) for a, b, x in zip(*model.pairs, longest, strict=True)}


def samples(model: SgdmlModel, cutoff: float) -> list[Configuration]:
    """Molecules near training geometries, in boxes in which they do not see each other: 1, 3 shuffled, 1."""
    return [_molecules(model, cutoff, n, seed) for seed, n in enumerate((1, 3, 1))]


def _molecules(model: SgdmlModel, cutoff: float, n_molecules: int, seed: int) -> Configuration:
    rng = np.random.default_rng(seed)
    matrices = model.distances()[rng.integers(len(model.descriptors), size=n_molecules)]
    positions = np.stack([_embedded(matrix) for matrix in matrices])
    spacing = 2.0 * cutoff + float(matrices.max())
    positions[:, :, 0] += spacing * np.arange(n_molecules)[:, None]
    positions += 0.01 * rng.normal(size=positions.shape)
    order = rng.permutation(n_molecules * len(model.symbols))
    types = np.tile(np.arange(len(model.symbols)), n_molecules)
    cell = spacing * np.diag([n_molecules, 1.0, 1.0])
    return Configuration(positions.reshape(-1, 3)[order], cell, types[order])


def _embedded(distances: np.ndarray) -> np.ndarray:
    """Positions (n_atoms, 3) with these distances, by classical multidimensional scaling."""
    n_atoms = len(distances)
    centering = np.eye(n_atoms) - 1.0 / n_atoms
    values, vectors = np.linalg.eigh(-0.5 * centering @ distances**2 @ centering)
    positions = np.zeros((n_atoms, 3))
    largest = np.argsort(values)[::-1][:3]
    positions[:, : len(largest)] = vectors[:, largest] * np.sqrt(np.maximum(values[largest], 0.0))
    return positions
