"""A model that mace-torch has saved, exported: energies and forces are those of mace-torch's own ASE calculator."""

import os
import pickle
import warnings
from unittest.mock import patch

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

import laws
from comparison import largest_difference
from lampion.deploy.export import export_model
from lampion.deploy.modelfile import load_model
from lampion.deploy.verify import energies_and_gradient
from lampion.training.data.neighbors import neighbor_edges
from lampion.training.errors import CheckpointError, ConfigError
from lampion.training.models.mace import load_mace
from stock_lmp import System, script

NAMES = ("C", "O")  # of laws.mace


def bent_molecule() -> Atoms:
    atoms = molecule("CO2")
    atoms.rattle(0.1, seed=2)
    return atoms


def skewed_crystal() -> Atoms:
    """A cell of one cutoff's width, so that atoms meet several images of each other."""
    positions, cell, types = laws.crystal(2)
    return Atoms([NAMES[kind] for kind in types], positions, cell=cell, pbc=True)


CASES = {"molecule": bent_molecule, "crystal": skewed_crystal}


def quietly(action):
    """Without warnings, and with pickles loaded as mace-torch loads them."""
    with patch.dict(os.environ, {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return action()


@pytest.fixture(scope="module", params=["ScaleShiftMACE", "MACE"])
def files(request, tmp_path_factory):
    """`mace.model` as mace_run_train leaves it, and `model.pt` made of it."""
    folder = tmp_path_factory.mktemp("mace")
    potential = laws.mace()
    model = potential.mace if request.param == "ScaleShiftMACE" else without_scale(potential.mace)
    quietly(lambda: torch.save(model, folder / "mace.model"))
    export_model(folder / "mace.model", folder / "model.pt", trust=True)
    return folder


def without_scale(scaled):
    """The plain class around the same weights."""
    from mace.modules.models import MACE

    scaled.__class__ = MACE
    del scaled.scale_shift
    return scaled


def by_calculator(files, atoms):
    """Energy and forces as mace-torch computes them."""

    def compute():
        from mace.calculators import MACECalculator

        atoms.calc = MACECalculator(model_paths=str(files / "mace.model"), device="cpu", default_dtype="float64")
        return atoms.get_potential_energy(), atoms.get_forces()

    default = torch.get_default_dtype()
    try:
        return quietly(compute)
    finally:
        torch.set_default_dtype(default)


@pytest.mark.parametrize("case", CASES)
def test_model_file_gives_the_energy_and_forces_of_mace_torch(files, case):
    atoms = CASES[case]()
    module, manifest = load_model(files / "model.pt")
    assert (manifest.type_names, manifest.cutoff, manifest.n_layers, manifest.dtype) == (NAMES, 4.0, 2, "float64")
    index, vectors = neighbor_edges(atoms.positions, atoms.cell.array, atoms.pbc, manifest.cutoff)
    types = torch.tensor([NAMES.index(symbol) for symbol in atoms.symbols])
    edges, vectors = torch.from_numpy(index), torch.from_numpy(vectors).requires_grad_()
    energies = module(types, edges, vectors)
    (gradient,) = torch.autograd.grad(energies.sum(), vectors)
    forces = torch.zeros(len(atoms), 3, dtype=torch.float64).index_add(0, edges[0], gradient)
    forces = forces.index_add(0, edges[1], -gradient)
    energy, expected = by_calculator(files, atoms)
    assert np.abs(expected).max() > 1e-3
    assert float(energies.detach().sum()) == pytest.approx(energy, abs=1e-9)
    np.testing.assert_allclose(forces.numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("files", ["ScaleShiftMACE"], indirect=True)
@pytest.mark.parametrize("ranks", [1, 2])
def test_lmp_gives_the_energy_and_forces_of_mace_torch(files, lmp, ranks):
    system = upright_crystal()
    system.write(files, 1.0)
    done = lmp(script("pair_style lampion\npair_coeff * * model.pt C O"), ranks, folder=files)
    symbols = [NAMES[kind - 1] for kind in system.types]
    energy, expected = by_calculator(files, Atoms(symbols, system.positions, cell=system.box, pbc=True))
    found = np.stack([done.atoms()[key] for key in ("fx", "fy", "fz")], axis=1)
    assert done.thermo()["PotEng"][-1] == pytest.approx(energy, abs=1e-9)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def upright_crystal() -> System:
    """A cube larger than the cutoff; LAMMPS and ASE agree on its axes."""
    rng = np.random.default_rng(4)
    sites = 2.2 * np.stack(np.meshgrid(*[np.arange(2)] * 3), axis=-1).reshape(-1, 3)
    return System(sites + 1 + rng.uniform(-0.2, 0.2, sites.shape), np.full(3, 4.4), np.tile([1, 2], 4))


@pytest.mark.parametrize("files", ["ScaleShiftMACE"], indirect=True)
def test_a_model_from_a_file_is_traced_without_torchscript(files):
    """e3nn's generated functions come out of a file as TorchScript, which would fix the sizes of the traced graph."""
    model = load_mace(files / "mace.model")
    positions, cell, types = laws.crystal(2)
    index, vectors = (torch.from_numpy(a) for a in neighbor_edges(positions, cell, np.ones(3, dtype=bool), laws.CUTOFF))
    expected = energies_and_gradient(model, torch.from_numpy(types), index, vectors)
    with model.traceable() as traced:
        found = energies_and_gradient(traced, torch.from_numpy(types), index, vectors)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)
    assert any(isinstance(part, torch.jit.ScriptModule) for part in model.modules())
    assert not any(isinstance(part, torch.jit.ScriptModule) for part in traced.modules())


@pytest.mark.slow
@pytest.mark.parametrize("files", ["ScaleShiftMACE"], indirect=True)
def test_compiled_model_is_torchscript_in_lmp(files, lmp, tmp_path):
    """Two minutes of compilation."""
    export_model(files / "mace.model", tmp_path / "model.pt2", trust=True)
    upright_crystal().write(tmp_path, 1.0)
    pair = "pair_style lampion\npair_coeff * * {} C O"
    runs = [lmp(script(pair.format(path))) for path in (files / "model.pt", tmp_path / "model.pt2")]
    assert largest_difference(*runs) < 1e-10


@pytest.mark.parametrize("files", ["ScaleShiftMACE"], indirect=True)
def test_without_trust_nothing_is_loaded_or_written(files, tmp_path):
    with pytest.raises(ConfigError, match=r"loading a pickle runs whatever code its author wrote; .* add --trust"):
        export_model(files / "mace.model", tmp_path / "model.pt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("files", ["ScaleShiftMACE"], indirect=True)
def test_unknown_head_is_refused_by_name(files, tmp_path):
    with pytest.raises(CheckpointError, match="has no head dft; choose one by --head: Default"):
        export_model(files / "mace.model", tmp_path / "model.pt", trust=True, head="dft")


class Bomb:
    """What a pickle can do."""

    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_foreign_pickle_runs_no_code_even_with_trust(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(Bomb(), tmp_path / "bomb.model")
    with pytest.raises(CheckpointError, match="is damaged or not a checkpoint"):
        export_model(tmp_path / "bomb.model", tmp_path / "model.pt", trust=True)
    assert not (tmp_path / "exploded").exists()
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        torch.load(tmp_path / "bomb.model")  # mace-torch has not left torch careless


def test_other_class_of_mace_torch_is_refused(tmp_path):
    block = laws.mace().mace.readouts[0]
    quietly(lambda: torch.save(block, tmp_path / "block.model"))
    with pytest.raises(CheckpointError, match="holds a LinearReadoutBlock; expected MACE or ScaleShiftMACE"):
        export_model(tmp_path / "block.model", tmp_path / "model.pt", trust=True)
