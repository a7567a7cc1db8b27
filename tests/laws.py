"""What every potential must obey, as functions of a model; a new model is covered by naming it in `MODELS`.

Tolerances per dtype stand in one table; all laws are stated in float64, where nothing hides them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from lampion.training.config.model import AnyModelConfig, DirectConfig, E3xConfig, MaceConfig, ModelConfig
from lampion.training.data.frames import Frames
from lampion.training.data.neighbors import neighbor_edges
from lampion.training.models.build import build_model
from lampion.training.preparation.statistics import DataStatistics

#: largest relative difference of two ways to compute one number
TOLERANCE = {torch.float64: 1e-10, torch.float32: 5e-5}
CUTOFF = 4.0


def build(config: AnyModelConfig) -> nn.Module:
    """A random model of two types."""
    torch.manual_seed(3)
    statistics = DataStatistics(["C", "O"], [-1.5, 0.7], 0.8, 12.0, {"C-C": 1.6, "C-O": 1.4, "O-O": 1.5})
    return build_model(config, statistics).eval()


def potential(dtype: str = "float64", **settings: Any) -> nn.Module:
    """A random equivariant potential."""
    return build(ModelConfig(cutoff=CUTOFF, dtype=dtype, **{"channels": 6, "basis": 6, **settings}))


def e3x(dtype: str = "float64", **settings: int) -> nn.Module:
    """A random network after E3x."""
    return build(E3xConfig(cutoff=CUTOFF, dtype=dtype, **{"features": 6, "num_basis_functions": 8, **settings}))


def mace(dtype: str = "float64", **settings: int) -> nn.Module:
    """A random MACE."""
    return build(MaceConfig(cutoff=CUTOFF, dtype=dtype, **{"num_channels": 4, "max_ell": 2, **settings}))


def direct(dtype: str = "float64", **settings: int) -> nn.Module:
    """A random network that predicts forces."""
    return build(DirectConfig(cutoff=CUTOFF, dtype=dtype, **{"features": 8, "basis": 6, **settings}))


#: what can be evaluated layer by layer
LAYERED: dict[str, Callable[[], nn.Module]] = {
    "l0": lambda: potential(l_max=0),
    "l1": lambda: potential(l_max=1),
    "l2, one layer, four-body": lambda: potential(l_max=2, layers=1, body_order=4),
    "medium, with repulsion": lambda: potential(preset="medium", channels=4),
    "l3, two-body": lambda: potential(l_max=3, body_order=2),
    "l1, radial network, three layers": lambda: potential(l_max=1, layers=3, radial_width=8),
    "e3x": lambda: e3x(),
    "e3x, invariant": lambda: e3x(max_degree=0, num_iterations=2),
    "e3x, l3, one iteration": lambda: e3x(max_degree=3, num_iterations=1),
}
MODELS = {**LAYERED, "mace": lambda: mace()}


def crystal(n: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, cell and types of a skewed periodic box of n³ displaced atoms."""
    rng = np.random.default_rng(seed)
    cell = 2.2 * n * (np.eye(3) + 0.08 * rng.normal(size=(3, 3)))
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3), axis=-1).reshape(-1, 3)
    fractional = (grid + 0.1 * rng.normal(size=grid.shape)) / n
    return fractional @ cell, cell, rng.integers(0, 2, n**3)


def boxes(n_frames: int = 3) -> Frames:
    """Frames of small boxes, periodic in two directions, in which an atom sees images of itself and of others."""
    parts = [crystal(2, seed) for seed in range(n_frames)]
    return Frames(
        type_names=("C", "O"),
        offsets=8 * np.arange(n_frames + 1),
        types=np.concatenate([types for _, _, types in parts]),
        positions=np.concatenate([positions for positions, _, _ in parts]),
        cell=np.stack([cell for _, cell, _ in parts]),
        pbc=np.tile([True, True, False], (n_frames, 1)),
        energy=np.arange(n_frames, dtype=float),
        forces=np.zeros((8 * n_frames, 3)),
        step=np.arange(n_frames),
    )


def energy_forces_virial(
    model: nn.Module, positions: np.ndarray, cell: np.ndarray, types: np.ndarray, pbc: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Node energies (n,), forces (n, 3), virial (3, 3), from the gradients of the edge vectors."""
    dtype = next(model.parameters()).dtype
    index, vectors = neighbor_edges(positions, cell, np.full(3, pbc), CUTOFF)
    edges, vectors = torch.from_numpy(index), torch.from_numpy(vectors).to(dtype).requires_grad_()
    energies = model(torch.from_numpy(types), edges, vectors)
    (gradient,) = torch.autograd.grad(energies.sum(), vectors)
    forces = torch.zeros(len(types), 3, dtype=dtype).index_add(0, edges[0], gradient)
    forces = forces.index_add(0, edges[1], -gradient)
    return energies.detach(), forces, -(vectors.detach().T @ gradient)


def energy(model: nn.Module, positions: np.ndarray, cell: np.ndarray, types: np.ndarray) -> float:
    """Total energy."""
    return float(energy_forces_virial(model, positions, cell, types)[0].sum())


def random_orthogonal(seed: int, *, improper: bool) -> np.ndarray:
    """A random rotation, or a rotation times the inversion."""
    return Rotation.random(random_state=seed).as_matrix() * (-1 if improper else 1)
