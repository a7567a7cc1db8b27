"""Configurations on which `lampion check` tries a model: a crowded skewed cell, a free cluster, a chain."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from lampion.deploy.modelfile import Manifest
from lampion.pipeline.lmp.rerun import Floats

_SITES = 3  # per edge: a cell of fewer than two cutoffs, so that atoms meet their own images' neighbours
_NEIGHBORS = 20
_JITTER = 0.07  # of the spacing, each way

#: Five-point rule: f'(0) h = Σ weight f(shift h), error h⁴ f⁽⁵⁾ / 30.
STENCIL = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))
#: The six components of stress in LAMMPS's order, as (row, column).
VOIGT = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


@dataclass(frozen=True)
class Atoms:
    """Periodic atoms in the model's units: positions (n, 3), lower triangular cell (3, 3), types (n,) from 0."""

    positions: Floats
    cell: Floats
    types: NDArray[np.int64]

    def moved(self, atom: int, axis: int, distance: float) -> "Atoms":
        """One atom displaced along one axis."""
        positions = self.positions.copy()
        positions[atom, axis] += distance
        return replace(self, positions=positions)

    def strained(self, component: int, strain: float) -> "Atoms":
        """r_a += strain · r_b with (a, b) = `VOIGT[component]`; the cell stays lower triangular."""
        a, b = VOIGT[component]
        matrix = np.eye(3)
        matrix[b, a] += strain
        return replace(self, positions=self.positions @ matrix, cell=self.cell @ matrix)

    def translated(self, by: Floats) -> "Atoms":
        """All atoms shifted alike."""
        return replace(self, positions=self.positions + by)

    def repeated(self, times: int) -> "Atoms":
        """The supercell of times³ cells, the original one first."""
        shifts = np.stack(np.meshgrid(*[np.arange(times)] * 3, indexing="ij"), -1).reshape(-1, 1, 3) @ self.cell
        positions = (self.positions + shifts).reshape(-1, 3)
        return Atoms(positions, times * self.cell, np.tile(self.types, times**3))


def spacing(manifest: Manifest) -> float:
    """A distance between neighbours at which the model is at home.

    About 20 atoms within the cutoff; or, if the model says how close the atoms of its training came, somewhat more than
    the largest of these distances.
    """
    crowded = float(manifest.cutoff * (4 * np.pi / 3 / _NEIGHBORS) ** (1 / 3))
    shortest = manifest.training.get("shortest_distance") or {}
    return min(crowded, 1.15 * max(shortest.values())) if shortest else crowded


def crowded_cell(manifest: Manifest, seed: int = 1) -> Atoms:
    """27 atoms off the sites of a skewed cell, in all types of the model."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(_SITES)] * 3, indexing="ij"), -1).reshape(-1, 3)
    skew = np.array([[1.0, 0.0, 0.0], [0.06, 1.02, 0.0], [-0.05, 0.04, 0.98]])
    off = rng.uniform(-_JITTER, _JITTER, grid.shape)
    edge = spacing(manifest)
    types = rng.permutation(np.arange(len(grid)) % len(manifest.type_names))
    return Atoms((grid + 0.5 + off) @ skew * edge, _SITES * edge * skew, types)


def free(atoms: Atoms, manifest: Manifest) -> Atoms:
    """The same atoms without periodic images: a cluster in the middle of an empty box."""
    edge = np.linalg.norm(np.ptp(atoms.positions, axis=0)) + 2.5 * manifest.cutoff
    middle = atoms.positions.mean(axis=0)
    return replace(atoms, positions=atoms.positions - middle + edge / 2, cell=edge * np.eye(3))


def rotation(seed: int = 2) -> Floats:
    """A random rotation matrix."""
    return np.asarray(Rotation.random(random_state=seed).as_matrix())


def rotated(atoms: Atoms, matrix: Floats) -> Atoms:
    """A cluster turned about the middle of its box."""
    middle = atoms.cell.sum(axis=0) / 2
    return replace(atoms, positions=(atoms.positions - middle) @ matrix.T + middle)


def relabelling(atoms: Atoms, seed: int = 3) -> NDArray[np.int64]:
    """A permutation that exchanges atoms of the same type only."""
    rng = np.random.default_rng(seed)
    order = np.arange(len(atoms.types))
    for kind in np.unique(atoms.types):
        mine = np.flatnonzero(atoms.types == kind)
        order[mine] = rng.permutation(mine)
    return order


def chain(atoms: Atoms, distance: float) -> Atoms:
    """The same atoms on a straight line, each two neighbours `distance` apart, without images."""
    n = len(atoms.types)
    direction = np.array([2.0, 1.0, 2.0]) / 3.0
    line = np.arange(n)[:, None] * distance * direction
    return replace(atoms, positions=line + distance, cell=(n + 3) * distance * np.eye(3))
