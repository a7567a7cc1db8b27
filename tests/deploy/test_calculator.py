"""The ASE calculator of a model file against ASE's own Lennard-Jones and ASE's finite differences."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.calculators.lj import LennardJones

import laws
import lj
from lampion.deploy.calculator import LampionCalculator
from lampion.deploy.modelfile import Manifest, ModelFileError, save_model


@pytest.fixture(scope="module")
def random_model(tmp_path_factory):
    """A random potential of C and O."""
    return lj.write_model(laws.potential(), tmp_path_factory.mktemp("m") / "m.pt", ("C", "O"), laws.CUTOFF, n_layers=2)


def rattled_crystal() -> Atoms:
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True).repeat((3, 3, 4))
    atoms.rattle(0.1, seed=1)
    atoms.set_cell(atoms.cell @ (np.eye(3) + 0.02 * np.arange(9).reshape(3, 3)), scale_atoms=True)
    return atoms


def test_lennard_jones_is_that_of_ase(tmp_path):
    atoms = rattled_crystal()
    model = lj.LennardJones(*(torch.full((1, 1), lj.ARGON[name], dtype=torch.float64) for name in ("epsilon", "sigma")))
    path = lj.write_model(model, tmp_path / "lj.pt")
    native = LennardJones(**{k: v for k, v in lj.ARGON.items() if k != "cutoff"}, rc=lj.ARGON["cutoff"])
    ours = LampionCalculator(path)
    shift = atoms.copy()  # ASE shifts the pair energy to zero at the cutoff: forces and stress are the same
    np.testing.assert_allclose(ours.get_forces(atoms), native.get_forces(shift), atol=1e-10)
    np.testing.assert_allclose(ours.get_stress(atoms), native.get_stress(shift), rtol=1e-8, atol=1e-14)


def test_forces_and_stress_are_derivatives_of_the_energy(random_model):
    atoms = Atoms("COCO", [[0, 0, 0], [1.2, 0.1, 0], [0.2, 1.5, 0.9], [1.9, 1.4, 0.3]], cell=[5, 6, 7], pbc=True)
    atoms.calc = LampionCalculator(random_model)
    assert np.abs(atoms.get_forces()).max() > 0.01
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-4), atol=1e-6)
    np.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms, eps=1e-5), atol=1e-7)


def test_a_molecule_has_no_stress(random_model):
    atoms = Atoms("CO", [[0, 0, 0], [1.2, 0, 0]])
    atoms.calc = LampionCalculator(random_model)
    atoms.get_potential_energy()
    assert "stress" not in atoms.calc.results


def test_a_model_of_forces_gives_no_energy(tmp_path):
    path = tmp_path / "direct.pt"
    manifest = Manifest(laws.CUTOFF, ("C", "O"), 3, "float64", conservative=False)
    save_model(torch.jit.script(laws.direct().eval()), manifest, path)
    calculator = LampionCalculator(path)
    assert calculator.get_forces(Atoms("CO", [[0, 0, 0], [1.2, 0, 0]])).shape == (2, 3)
    assert "energy" not in calculator.results


def test_unknown_element_and_reduced_units_are_refused(random_model, tmp_path):
    with pytest.raises(ModelFileError, match=r"knows C, O, not H, N"):
        LampionCalculator(random_model).get_potential_energy(Atoms("HCN", [[0, 0, 0], [1, 0, 0], [2, 0, 0]]))
    model = lj.LennardJones(torch.ones(1, 1), torch.ones(1, 1))
    with pytest.raises(ModelFileError, match=r"lj\.pt: the model is in reduced units \(lj\)"):
        LampionCalculator(lj.write_model(model, tmp_path / "lj.pt", ("A",), 2.5, units="lj"))
