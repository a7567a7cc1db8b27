"""Parts of the network after E3x, against independent formulas."""

import numpy as np
import pytest
import torch
from scipy.stats import binom

import laws
from lampion.training.config.model import E3xConfig
from lampion.training.models.e3x_style import ReciprocalBernstein, gated_silu, smooth_cutoff


def test_radial_functions_are_binomial_probabilities_times_the_envelope():
    r = np.linspace(0.3, 2.9, 20)
    envelope = np.exp(1 - 1 / (1 - (r / 3.0) ** 2))
    expected = binom.pmf(np.arange(32), 31, (r / (1 + r))[:, None]) * envelope[:, None]
    basis = ReciprocalBernstein(32, 3.0).double()(torch.from_numpy(r))
    np.testing.assert_allclose(basis.numpy(), expected, rtol=1e-6, atol=1e-12)  # made in float32


def test_envelope_and_its_derivatives_vanish_at_the_cutoff_as_finite_numbers():
    r = torch.tensor([2.999, 3.0 - 1e-9, 3.0], dtype=torch.float64, requires_grad=True)
    value = smooth_cutoff(r, 3.0)
    (first,) = torch.autograd.grad(value.sum(), r, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), r)
    for derivative in (value, first, second):
        assert float(derivative.detach().abs().max()) < 1e-20


def test_gate_is_silu_for_scalars_and_keeps_directions():
    x = torch.randn(4, 5, 3)
    gated = gated_silu(x)
    torch.testing.assert_close(gated[0], torch.nn.functional.silu(x[0]))
    cosine = torch.nn.functional.cosine_similarity(gated[1:], x[1:], dim=0)
    torch.testing.assert_close(cosine, torch.ones_like(cosine))


def test_defaults_are_those_of_the_study():
    study = E3xConfig()
    assert (study.features, study.max_degree, study.num_iterations) == (32, 2, 3)
    assert (study.num_basis_functions, study.cutoff) == (32, 3.0)


@pytest.mark.parametrize(("iterations", "reached"), [(1, 2), (3, 4)])
def test_each_iteration_reaches_one_neighbor_farther(iterations, reached):
    """On a chain of atoms 3 Å apart only neighbours see each other."""
    model = laws.e3x(num_iterations=iterations)
    positions = 3.0 * np.arange(8)[:, None] * np.array([1.0, 0, 0])
    moved = positions + np.array([0, 0.3, 0]) * (np.arange(8) == 0)[:, None]
    types, cell = np.zeros(8, dtype=np.int64), 100 * np.eye(3)
    before, after = (laws.energy_forces_virial(model, x, cell, types, pbc=False)[0] for x in (positions, moved))
    assert int((before - after).abs().gt(1e-12).sum()) == reached
