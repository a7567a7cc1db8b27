"""Real spherical harmonics and the coefficients that couple them, for degrees l = 0..3.

Components of all degrees lie in one axis of length (l_max+1)²; degree l fills the slice [l², (l+1)²).
Only natural parity occurs (-1)^l: couplings with l1 + l2 + l3 odd would make pseudo-tensors and are left out, as in
MACE (Batatia et al. 2022, arXiv:2206.07697). Everything is then equivariant under O(3), reflections included.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

MAX_DEGREE = 3


class Path(NamedTuple):
    """One allowed coupling of degrees: l1 ⊗ l2 -> l3."""

    l1: int
    l2: int
    l3: int


def n_components(l_max: int) -> int:
    """Number of components of all degrees up to `l_max`: (l_max+1)²."""
    return (l_max + 1) ** 2


def spherical_harmonics(l_max: int, unit_vectors: Tensor) -> Tensor:
    """Real spherical harmonics, scaled so that Σ_m Y_lm² = 2l+1 on the unit sphere.

    Args:
        l_max: largest degree, 0..3.
        unit_vectors: (n_edges, 3), normalised.

    Returns:
        (n_edges, (l_max+1)²); degree 1 is √3 (y, z, x), higher degrees are ordered m = -l..l.

    Source: polynomials of the Cartesian coordinates, e.g. https://en.wikipedia.org/wiki/Table_of_spherical_harmonics
    """
    x, y, z = unit_vectors.unbind(-1)
    components = [torch.ones_like(x)]
    if l_max >= 1:
        r3 = math.sqrt(3.0)
        components += [r3 * y, r3 * z, r3 * x]
    if l_max >= 2:
        r5, r15 = math.sqrt(5.0), math.sqrt(15.0)
        components += [r15 * x * y, r15 * y * z, 0.5 * r5 * (3 * z * z - 1), r15 * x * z, 0.5 * r15 * (x * x - y * y)]
    if l_max >= 3:
        a, b, c = math.sqrt(35.0 / 8.0), math.sqrt(105.0), math.sqrt(21.0 / 8.0)
        components += [
            a * y * (3 * x * x - y * y),
            b * x * y * z,
            c * y * (5 * z * z - 1),
            0.5 * math.sqrt(7.0) * z * (5 * z * z - 3),
            c * x * (5 * z * z - 1),
            0.5 * b * z * (x * x - y * y),
            a * x * (x * x - 3 * y * y),
        ]
    return torch.stack(components, dim=-1)


def distances_and_harmonics(l_max: int, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths (n_edges,) of vectors (n_edges, 3) and the harmonics (n_edges, (l_max+1)²) of their directions."""
    distances = torch.linalg.vector_norm(vectors, dim=-1)
    return distances, spherical_harmonics(l_max, vectors / distances.unsqueeze(-1))


def paths(l1_max: int, l2_max: int, l3_max: int) -> list[Path]:
    """All couplings l1 ⊗ l2 -> l3 allowed by the triangle rule and natural parity."""
    return [
        Path(l1, l2, l3)
        for l3 in range(l3_max + 1)
        for l1 in range(l1_max + 1)
        for l2 in range(l2_max + 1)
        if abs(l1 - l2) <= l3 <= l1 + l2 and (l1 + l2 + l3) % 2 == 0
    ]


def pair_components(l1_max: int, l2_max: int) -> list[tuple[int, int]]:
    """Components of an uncoupled product, the second factor running fastest; each counts its own through all l."""
    return [(a, b) for a in range(n_components(l1_max)) for b in range(n_components(l2_max))]


def coupling(path: Path) -> Tensor:
    """Coupling coefficients C of one path, float64, shape (2 l1+1, 2 l2+1, 2 l3+1), with Σ C² = 2 l3+1.

    For natural parity they are the Gaunt integrals ∫ Y_l1m1 Y_l2m2 Y_l3m3 dΩ up to a factor; a product quadrature,
    exact for polynomials of degree 9, gives them without any table.
    """
    cosines, weights = np.polynomial.legendre.leggauss(6)
    angles = np.arange(12) * (2 * np.pi / 12)
    sines = np.sqrt(1 - cosines**2)
    points = np.stack(
        [np.outer(sines, np.cos(angles)), np.outer(sines, np.sin(angles)), np.outer(cosines, np.ones(12))], axis=-1
    ).reshape(-1, 3)
    harmonics = spherical_harmonics(MAX_DEGREE, torch.from_numpy(points))
    y1, y2, y3 = (harmonics[:, degree**2 : (degree + 1) ** 2] for degree in path)
    gaunt = torch.einsum("p,pa,pb,pc->abc", torch.from_numpy(np.repeat(weights, 12)), y1, y2, y3)
    gaunt[gaunt.abs() < 1e-12] = 0.0
    return gaunt * math.sqrt(2 * path.l3 + 1) / gaunt.norm()
