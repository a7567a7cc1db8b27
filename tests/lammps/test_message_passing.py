"""A model whose layers read each other's states gives the same physics on any number of ranks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list

import lj
from comparison import largest_difference, physics
from stock_lmp import Finished, System, crystal, script

Lmp = Callable[..., Finished]
CUTOFF = 5.0
NAMES = ("Ar", "Kr")
PAIR = "pair_style lampion\npair_coeff * * model.pt Ar Kr"
SYSTEM = crystal(4, n_types=2)


def layered() -> lj.LayeredDensity:
    return lj.LayeredDensity(CUTOFF, len(NAMES))


def write(folder: Path, module: torch.nn.Module, system: System = SYSTEM, n_layers: int = 3) -> None:
    system.write(folder, 1.0)
    lj.write_model(module, folder / "model.pt", NAMES, CUTOFF, n_layers)


def test_one_rank_agrees_with_torch_and_ase(lmp: Lmp, tmp_path: Path) -> None:
    write(tmp_path, layered())
    got = physics(lmp(script(PAIR)))
    atoms = Atoms(positions=SYSTEM.positions, cell=SYSTEM.box, pbc=True)
    i, j, vectors = neighbor_list("ijD", atoms, CUTOFF)
    edges = torch.tensor(vectors, requires_grad=True)
    model = layered().double()
    energies = model(torch.tensor(SYSTEM.types - 1), torch.tensor(np.stack([i, j])), edges)
    (gradient,) = torch.autograd.grad(energies.sum(), edges)
    g = gradient.numpy()
    forces = np.zeros_like(SYSTEM.positions)
    np.add.at(forces, i, g)
    np.add.at(forces, j, -g)
    pressure = -(vectors[:, :, None] * g[:, None, :]).sum(0) / (3 * atoms.get_volume())
    bar_per_ev = 1.602176634e6
    np.testing.assert_allclose(got["energies"], energies.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(got["forces"].T, forces, atol=1e-12 * np.abs(forces).max())
    # LAMMPS's own constant for bar in units metal has eight digits
    np.testing.assert_allclose(got["pressure"][:3].sum() / 3, np.trace(pressure) * bar_per_ev, rtol=1e-6)


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("system", [SYSTEM, crystal(3, 2, tilt=True), crystal(2, 2)], ids=["cubic", "tilt", "small"])
def test_layers_with_exchange_equal_the_whole_model(lmp: Lmp, tmp_path: Path, ranks: int, system: System) -> None:
    write(tmp_path, lj.Unlayered(layered()), system)
    expected = lmp(script(PAIR))
    write(tmp_path, layered(), system)
    assert largest_difference(lmp(script(PAIR), ranks), expected) < 1e-9


@pytest.mark.parametrize("ranks", [2, 4])
def test_whole_model_on_a_wider_ghost_shell(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    write(tmp_path, lj.Unlayered(layered()))
    expected = lmp(script(PAIR))
    got = lmp(script(PAIR), ranks)
    assert "also computes the ghost atoms within 3 cutoffs (17)" in got.output
    # an edge between ghosts hands its share of stress to other atoms than on one rank; the sum is the same
    assert largest_difference(got, expected) < 1e-9


def test_narrow_ghost_shell_without_exchange_is_wrong(lmp: Lmp, tmp_path: Path) -> None:
    write(tmp_path, lj.Unlayered(layered()), n_layers=1)
    expected = lmp(script(PAIR))
    assert largest_difference(lmp(script(PAIR), 2), expected) > 1e-3


@pytest.mark.parametrize("model", [layered(), lj.Unlayered(layered())], ids=["layered", "whole"])
def test_rank_without_atoms_takes_part(lmp: Lmp, tmp_path: Path, model: torch.nn.Module) -> None:
    corner = crystal(2, 2)
    write(tmp_path, model, System(corner.positions, np.array([100.0, 12.0, 12.0]), corner.types))
    expected = lmp(script(PAIR, boundary="f f f"))
    assert largest_difference(lmp(script(PAIR, boundary="f f f"), 2), expected) < 1e-9


@pytest.mark.parametrize("model", [layered(), lj.Unlayered(layered())], ids=["layered", "whole"])
def test_wide_states_travel_under_hybrid(lmp: Lmp, tmp_path: Path, model: torch.nn.Module) -> None:
    write(tmp_path, model)
    pair = "pair_style hybrid lampion zbl 1.0 2.0\npair_coeff * * lampion model.pt Ar NULL\npair_coeff 1*2 2 zbl 18 18"
    expected = lmp(script(pair))
    assert largest_difference(lmp(script(pair), 2), expected) < 1e-9


def test_atoms_that_change_rank_keep_their_trajectory(lmp: Lmp, tmp_path: Path) -> None:
    write(tmp_path, layered())
    then = "velocity all create 600 7 loop all\nneigh_modify delay 0 every 5 check no\nfix 1 all nve\nrun 100"
    expected = lmp(script(PAIR, then=then)).thermo()
    got = lmp(script(PAIR, then=then), 4).thermo()
    np.testing.assert_allclose(got["PotEng"], expected["PotEng"], rtol=1e-8)


def test_single_precision_states(lmp: Lmp, tmp_path: Path) -> None:
    write(tmp_path, layered())
    expected = lmp(script(PAIR))
    lj.write_model(layered(), tmp_path / "model.pt", NAMES, CUTOFF, 3, dtype=torch.float32)
    assert 1e-9 < largest_difference(lmp(script(PAIR), 2), expected) < 1e-4


def test_model_given_anew_in_the_same_input(lmp: Lmp, tmp_path: Path) -> None:
    write(tmp_path, lj.Unlayered(layered()))
    expected = lmp(script(PAIR))
    got = lmp(script(f"{PAIR}\n{PAIR}", then=f"run 0\nclear\n{script(PAIR)}"))
    assert largest_difference(got, expected) == 0.0


@pytest.mark.parametrize("ranks", [2, 4])
def test_irregular_decomposition(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    write(tmp_path, layered())
    expected = lmp(script(PAIR))
    tiled = script(PAIR).replace("read_data", "comm_style tiled\nread_data", 1) + "balance 1.0 rcb\nrun 0\n"
    assert largest_difference(lmp(tiled, ranks), expected) < 1e-9


@pytest.mark.parametrize("ranks", [1, 2])
def test_box_that_is_filled_from_empty(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    write(tmp_path, layered())
    text = f"""
units metal
region all block 0 20 0 20 0 20
create_box 2 all
mass * 40
{PAIR}
fix 1 all deposit 10 1 5 1234 region all near 3.5
fix 2 all nve
thermo_style custom step atoms pe
thermo 50
run 100
"""
    thermo = lmp(text, ranks).thermo()
    assert thermo["PotEng"][0] == 0.0
    assert thermo["Atoms"][-1] == 10
    assert thermo["PotEng"][-1] < 0.0
