"""The repulsion of the nuclei against LAMMPS's own `pair_style zbl`, and what it adds to a potential."""

import ase.data
import numpy as np
import pytest
import torch

import laws
import stock_lmp
from lampion.training.data.neighbors import neighbor_edges
from lampion.training.errors import ConfigError
from lampion.training.models.repulsion import ScreenedRepulsion, screened_coulomb

ELEMENTS = ("H", "C", "O", "Ar")


def test_screened_coulomb_force_is_that_of_native_zbl(lmp, tmp_path):
    """Four atoms closer to each other than the inner radius, within which LAMMPS does not switch."""
    positions = np.array([[10.0, 10, 10], [10.4, 10.2, 10], [11.2, 9.5, 10.3], [12.1, 11.0, 9.0]])
    atoms = stock_lmp.System(positions, np.full(3, 20.0), np.arange(1, 5))
    numbers = [ase.data.atomic_numbers[name] for name in ELEMENTS]
    coefficients = [f"pair_coeff {k} {k} {z} {z}" for k, z in enumerate(numbers, 1)]
    atoms.write(tmp_path, 1.0)
    native = lmp(stock_lmp.script("\n".join(["pair_style zbl 8.0 9.0", *coefficients]))).atoms()

    index, vectors = neighbor_edges(positions, np.diag([20.0] * 3), np.zeros(3, dtype=bool), 8.0)
    r = torch.from_numpy(vectors).requires_grad_()
    charges = torch.tensor(numbers, dtype=torch.float64)
    ends = charges[torch.from_numpy(index)]
    inverse_length = (ends**0.23).sum(0) / 0.46850
    energy = 0.5 * screened_coulomb(r.norm(dim=1), ends.prod(0), inverse_length).sum()
    (gradient,) = torch.autograd.grad(energy, r)
    center, neighbor = torch.from_numpy(index)
    forces = torch.zeros(4, 3, dtype=torch.float64).index_add(0, center, gradient).index_add(0, neighbor, -gradient)
    np.testing.assert_allclose(forces, np.stack([native[f] for f in ("fx", "fy", "fz")], axis=1), rtol=1e-6)


RADII = float(ase.data.covalent_radii[6] + ase.data.covalent_radii[8])


@pytest.mark.parametrize(("shortest", "reach"), [({}, RADII), ({"C-O": 1.1}, 0.935), ({"C-O": 3.0}, RADII)])
def test_repulsion_ends_at_the_covalent_radii_or_well_before_data_begin(shortest, reach):
    repulsion = ScreenedRepulsion(["O", "C"], shortest).double()
    r = torch.tensor([0.5, 0.999 * reach, 1.001 * reach, 2 * reach], dtype=torch.float64)
    pairs = torch.tensor([[0, 2, 4, 6], [1, 3, 5, 7]])
    energies = repulsion(8, torch.tensor([0, 1] * 4), pairs, r)[::2]
    assert energies[0] > 10.0
    assert 0 < energies[1] < 1e-5
    assert energies[2:].tolist() == [0.0, 0.0]


def test_a_potential_with_repulsion_pushes_atoms_apart_however_it_was_trained():
    types, cell, far = np.array([0, 1]), 30 * np.eye(3), np.array([[0.0, 0, 0], [0, 0, 0.15]])
    force = {
        kind: laws.energy_forces_virial(laws.potential(repulsion=kind), far, cell, types)[1] for kind in ("none", "zbl")
    }
    assert float(force["zbl"][1, 2]) > 1000.0
    assert abs(float(force["none"][1, 2])) < 100.0


def test_a_type_that_is_no_element_is_refused():
    with pytest.raises(ConfigError, match=r"zbl needs chemical elements, 'ion' is none; set model.repulsion to none"):
        ScreenedRepulsion(["C", "ion"], {})
