"""A molecule in a box of many moves as it does alone, also while others come apart and are taken out."""

from collections.abc import Callable
from pathlib import Path

import ase.build
import numpy as np
import pytest
import torch
from ase import units
from torch import Tensor

from lampion.deploy import export
from lampion.deploy.modelfile import Manifest, save_model
from lampion.training.config.model import ModelConfig
from lampion.training.models.build import build_model
from lampion.training.preparation.statistics import DataStatistics
from replicas import Replicas, failures, script
from stock_lmp import Array, Finished

Lmp = Callable[..., Finished]
NAMES = ("C", "H", "O")
PAIR = "pair_style lampion\npair_coeff * * model.pt C H O"
WATCH = "fix watch all lampion/replicas elements C H O failures failed.txt distance 0.3 break NULL temperature 6000"
DUMP = "dump 1 all custom 500 dump id xu yu zu\ndump_modify 1 sort id format float %.17g"


class Glued(torch.nn.Module):
    """A random equivariant potential, and Morse wells between all atoms that keep the molecule together."""

    def __init__(self, potential: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.potential = potential
        self.register_buffer("radius", torch.tensor([0.75, 0.4, 0.7], dtype=torch.float64))

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        r = torch.linalg.vector_norm(edge_vectors, dim=1)
        rest = self.radius[types[edge_index[0]]] + self.radius[types[edge_index[1]]]
        well = torch.exp(-2.0 * (r - rest))
        fade = torch.square(torch.clamp(1 - torch.square(r / 4.0), min=0.0))
        glue = fade * (well * well - 2 * well)
        energies = self.potential(types, edge_index, edge_vectors)
        return energies.index_add(0, edge_index[0], glue)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    shortest = {f"{a}-{b}": 0.8 for a in NAMES for b in NAMES if a <= b}
    statistics = DataStatistics(list(NAMES), [-1.5, -0.3, 0.7], 0.8, 8.0, shortest)
    config = ModelConfig(cutoff=4.0, dtype="float64", channels=4, basis=6, l_max=1, layers=2)
    potential = export.script(build_model(config, statistics).eval())
    path = tmp_path_factory.mktemp("model") / "model.pt"
    save_model(torch.jit.script(Glued(potential)), Manifest(4.0, NAMES, 2, "float64"), path)
    return path


def molecules(places: Array, kelvin: float = 5.0) -> Replicas:
    """Nine atoms of ethanol in these `places` (9, 3), four times, each on its own way."""
    rng = np.random.default_rng(1)
    ethanol = ase.build.molecule("CH3CH2OH")
    positions = np.stack([places + rng.uniform(-5.0, 5.0, 3) for _ in range(4)])
    speed = np.sqrt(units.kB * kelvin / ethanol.get_masses()) * 1000 * units.fs
    return Replicas(ethanol.get_chemical_symbols(), positions, speed[:, None] * rng.normal(size=(4, 9, 3)))


def run(lmp: Lmp, folder: Path, model: Path, box: Replicas, then: str) -> dict[int, Array]:
    """Unwrapped positions at the end by replica."""
    folder.mkdir()
    (folder / "model.pt").symlink_to(model)
    box.write(folder)
    lmp(script(PAIR, WATCH, f"{DUMP}\n{then}"), folder=folder)
    table = np.loadtxt((folder / "dump").read_text().split("ITEM: ATOMS id xu yu zu\n")[-1].splitlines())
    replica = (table[:, 0].astype(int) - 1) // 9
    return {int(r): table[replica == r, 1:] for r in np.unique(replica)}


def test_others_are_not_felt_even_when_they_explode(lmp: Lmp, tmp_path: Path, model: Path) -> None:
    """At a low temperature near a minimum, where rounding grows little, so that equal means equal."""
    ethanol = molecules(ase.build.molecule("CH3CH2OH").positions + 30.0)
    relaxed = run(lmp, tmp_path / "relaxed", model, ethanol.alone(1), "minimize 0 1e-4 500 2000")[0]
    box = molecules(relaxed)
    box.positions[1, 4] = box.positions[1, 0] + [0.1, 0, 0]  # two atoms in one place
    box.positions[2, 8] = box.positions[2, 0] + [0, 0, 5.0]
    box.velocities[2, 8] = [0, 0, -300.0]  # a hydrogen like a bullet
    alone = run(lmp, tmp_path / "alone", model, box.alone(1), "run 2000")[0]
    together = run(lmp, tmp_path / "together", model, box, "run 2000")
    assert together.keys() == {0, 3}
    assert failures(tmp_path / "together" / "failed.txt").keys() == {2, 3}
    assert np.abs(alone - box.positions[0]).max() > 0.1  # it has moved
    np.testing.assert_allclose(together[0], alone, rtol=0, atol=1e-8)
