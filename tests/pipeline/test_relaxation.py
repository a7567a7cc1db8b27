"""Molecules that relax side by side."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.optimize import BFGS

import lj
from lampion.deploy.calculator import LampionCalculator
from lampion.pipeline.stability.relaxation import relax
from water import WATER, Water


class Holed(Water):
    """No number beyond 1.5 Å."""

    def pair(self, like: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        return self.bonds(like, r) + 0.0 * torch.sqrt(torch.where(like, 1.0, 1.5 - r))


class Bursting(Water):
    """Infinite beyond 1.5 Å."""

    def pair(self, like: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        return self.bonds(like, r) + torch.exp(1e4 * torch.where(like, -1.0, r - 1.5))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return lj.write_model(Water(4.5), tmp_path_factory.mktemp("relaxation") / "strong.pt", ("H", "O"), cutoff=6.0)


def out_of_shape(n: int) -> list[Atoms]:
    molecules = [WATER.copy() for _ in range(n)]
    for seed, atoms in enumerate(molecules):
        atoms.rattle(0.02 * (seed + 1), seed=seed)
    return molecules


def test_each_takes_the_steps_it_would_take_alone(model):
    molecules = out_of_shape(5)
    before = [atoms.positions.copy() for atoms in molecules]
    found = relax(molecules, model, fmax=0.01, steps=100)
    assert found.dropped == 0
    calculator = LampionCalculator(model)
    for atoms, place, together in zip(molecules, before, found.molecules, strict=True):
        np.testing.assert_array_equal(atoms.positions, place)
        atoms.calc = calculator
        assert BFGS(atoms, logfile=None).run(fmax=0.01, steps=100)
        np.testing.assert_allclose(together.positions, atoms.positions, atol=1e-9)


def test_what_does_not_come_to_rest_in_time_is_dropped_and_counted(model):
    told = []
    apart = Atoms(WATER.numbers, WATER.positions * 1.3)
    found = relax([WATER.copy(), apart], model, fmax=0.05, steps=100)
    assert (len(found.molecules), found.dropped) == (2, 0)
    assert found.molecules[0].get_distance(0, 1) == pytest.approx(found.molecules[1].get_distance(0, 1), abs=2e-3)
    still = found.molecules[0]
    hurried = relax([apart, still], model, fmax=0.05, steps=2, progress=lambda *done: told.append(done))
    assert (len(hurried.molecules), hurried.dropped) == (1, 1)
    np.testing.assert_array_equal(hurried.molecules[0].positions, still.positions)
    assert told == [(1, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize("kind", [Holed, Bursting])
def test_a_molecule_whose_forces_are_no_numbers_is_dropped_and_disturbs_no_other(model, tmp_path, kind):
    unsound = lj.write_model(kind(4.5), tmp_path / "unsound.pt", ("H", "O"), cutoff=6.0)
    broken = Atoms("OH", [(0, 0, 0), (1, 1, 1)])
    molecules = [*out_of_shape(2), broken]
    found = relax(molecules, unsound, fmax=0.05, steps=100)
    assert (len(found.molecules), found.dropped) == (2, 1)
    whole = relax(molecules[:2], model, fmax=0.05, steps=100)
    for atoms, same in zip(found.molecules, whole.molecules, strict=True):
        np.testing.assert_allclose(atoms.positions, same.positions, atol=1e-9)
