"""LAMMPS's `pair_style eam/alloy` as a module of two layers, its splines taken from the same file."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layered import Layered

Array = NDArray[np.float64]


def spline(values: Array) -> Array:
    """(..., n) equidistant values -> (..., n, 4) cubic coefficients a p³ + b p² + c p + d, 0 <= p < 1.

    The slopes at the knots are the ones of LAMMPS's `PairEAM::interpolate`: five-point differences, fewer at the ends.
    """
    slope = np.empty_like(values)
    slope[..., 0] = values[..., 1] - values[..., 0]
    slope[..., 1] = 0.5 * (values[..., 2] - values[..., 0])
    slope[..., -2] = 0.5 * (values[..., -1] - values[..., -3])
    slope[..., -1] = values[..., -1] - values[..., -2]
    slope[..., 2:-2] = (values[..., :-4] - values[..., 4:] + 8.0 * (values[..., 3:-1] - values[..., 1:-3])) / 12.0
    rise = np.diff(values, append=0.0)
    following = np.roll(slope, -1, axis=-1)
    cubic = slope + following - 2.0 * rise
    square = 3.0 * rise - 2.0 * slope - following
    return np.stack([cubic, square, slope, values], axis=-1)


class EmbeddedAtoms(Layered):
    """E_i = F(t_i, Σ_j ρ(t_j, r_ij)) + 1/2 Σ_j φ(t_i, t_j, r_ij); layer 0 makes the density, layer 1 the energy.

    Args:
        path: file in setfl format.
        elements: the model's types, names of the file.
    """

    density: Tensor
    embedding: Tensor
    pair: Tensor

    def __init__(self, path: Path, elements: tuple[str, ...]) -> None:
        super().__init__(n_layers=2)
        lines = path.read_text().splitlines()
        names = lines[3].split()[1:]
        n_rho, d_rho, n_r, d_r, cutoff = (float(word) for word in lines[4].split())
        self.d_rho, self.d_r, self.cutoff = d_rho, d_r, cutoff
        n_rho, n_r = int(n_rho), int(n_r)
        numbers = _numbers(lines[5:], len(names))
        elements_block, pairs = numbers[: len(names) * (n_rho + n_r)], numbers[len(names) * (n_rho + n_r) :]
        tables = elements_block.reshape(len(names), n_rho + n_r)
        pick = [names.index(element) for element in elements]
        # z2 = r φ of the lower triangle, row by row
        row = {(a, b): pairs.reshape(-1, n_r)[max(a, b) * (max(a, b) + 1) // 2 + min(a, b)] for a in pick for b in pick}
        z2 = np.stack([np.stack([row[a, b] for b in pick]) for a in pick])
        self.register_buffer("embedding", torch.tensor(spline(tables[pick, :n_rho])))
        self.register_buffer("density", torch.tensor(spline(tables[pick, n_rho:])))
        self.register_buffer("pair", torch.tensor(spline(z2)).flatten(0, 1))

    def value(self, table: Tensor, row: Tensor, x: Tensor) -> Tensor:
        """Splines `row` (n,) of `table` (rows, knots, 4) at `x` (n,), in units of the spacing."""
        knot = x.detach().floor().long().clamp(0, table.shape[1] - 2)
        p = (x - knot).clamp(max=1.0)
        c = table[row, knot]
        return ((c[:, 0] * p + c[:, 1]) * p + c[:, 2]) * p + c[:, 3]

    @torch.jit.export
    def embed(self, types: Tensor) -> Tensor:
        return torch.zeros(types.shape[0], 1, dtype=self.density.dtype)

    @torch.jit.export
    def layer(
        self, k: int, n_centers: int, types: Tensor, state: Tensor, edge_index: Tensor, edge_vectors: Tensor
    ) -> tuple[Tensor, Tensor]:
        i, j = edge_index[0], edge_index[1]
        r = torch.linalg.vector_norm(edge_vectors, dim=1)
        nothing = torch.zeros(n_centers, dtype=r.dtype)
        if k == 0:
            density = nothing.index_add(0, i, self.value(self.density, types[j], r / self.d_r))
            return density.unsqueeze(1), nothing
        own = state[:n_centers]
        embedded = self.value(self.embedding, types[:n_centers], own[:, 0] / self.d_rho)
        phi = self.value(self.pair, types[i] * self.density.shape[0] + types[j], r / self.d_r) / r
        return own, embedded.index_add(0, i, 0.5 * phi)


def _numbers(lines: list[str], n_elements: int) -> Array:
    """All tabulated numbers of a setfl file, without the one-line header of each element."""
    headers = [k for k, line in enumerate(lines) if line.split()[-1:] and line.split()[-1][0].isalpha()]
    assert len(headers) == n_elements
    return np.array([float(word) for k, line in enumerate(lines) if k not in headers for word in line.split()])
