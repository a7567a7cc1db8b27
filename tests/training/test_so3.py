"""Spherical harmonics and couplings against their defining properties."""

import numpy as np
import pytest
import torch
from scipy.special import eval_legendre

from lampion.training.models import so3
from laws import random_orthogonal

L_MAX = so3.MAX_DEGREE
ALL_PATHS = so3.paths(L_MAX, L_MAX, L_MAX)


def unit_vectors(n: int, seed: int = 0) -> torch.Tensor:
    vectors = np.random.default_rng(seed).normal(size=(n, 3))
    return torch.from_numpy(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_addition_theorem():
    """Σ_m Y_lm(a) Y_lm(b) = (2l+1) P_l(a·b)."""
    a, b = unit_vectors(20, 1), unit_vectors(20, 2)
    ya, yb = so3.spherical_harmonics(L_MAX, a), so3.spherical_harmonics(L_MAX, b)
    cosine = (a * b).sum(-1).numpy()
    for degree in range(L_MAX + 1):
        block = slice(degree**2, (degree + 1) ** 2)
        expected = (2 * degree + 1) * eval_legendre(degree, cosine)
        np.testing.assert_allclose((ya[:, block] * yb[:, block]).sum(-1).numpy(), expected, atol=1e-12)


def wigner(degree: int, matrix: np.ndarray) -> torch.Tensor:
    """Representation of an orthogonal matrix on degree l, solved from Y(Rr) = D Y(r) on random points."""
    points = unit_vectors(40, 7)
    block = slice(degree**2, (degree + 1) ** 2)
    before = so3.spherical_harmonics(L_MAX, points)[:, block]
    after = so3.spherical_harmonics(L_MAX, points @ torch.from_numpy(matrix.T))[:, block]
    return torch.linalg.lstsq(before, after).solution.T


@pytest.mark.parametrize("path", ALL_PATHS, ids=str)
@pytest.mark.parametrize("improper", [False, True], ids=["rotation", "rotoinversion"])
def test_coupling_commutes_with_rotations(path, improper):
    matrix = random_orthogonal(11, improper=improper)
    d1, d2, d3 = (wigner(degree, matrix) for degree in path)
    table = so3.coupling(path)
    turned = torch.einsum("ia,jb,kc,abc->ijk", d1, d2, d3, table)
    torch.testing.assert_close(turned, table, rtol=0, atol=1e-10)


@pytest.mark.parametrize("path", ALL_PATHS, ids=str)
def test_coupling_has_unit_size(path):
    assert float((so3.coupling(path) ** 2).sum()) == pytest.approx(2 * path.l3 + 1)


def test_only_natural_parity_is_coupled():
    assert so3.Path(1, 1, 1) not in ALL_PATHS
    assert all((path.l1 + path.l2 + path.l3) % 2 == 0 for path in ALL_PATHS)
