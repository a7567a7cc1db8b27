"""Export: what is written is what was trained, and nothing is written that fails a check."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import argon
import laws
from lampion.deploy.export import export_checkpoint, script
from lampion.deploy.modelfile import load_model, read_manifest
from lampion.deploy.verify import ExportError, random_configuration, verify
from lampion.training.config.training import load_config
from lampion.training.data.hdf5 import write_hdf5
from lampion.training.errors import CheckpointError
from lampion.training.loop.checkpoint import read_checkpoint
from lampion.training.loop.train import Training
from lampion.training.models.build import model_of_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    write_hdf5(argon.crystal_frames(20), folder / "frames.h5")
    return Training(load_config(argon.write_config(folder)), folder / "train").run(restart=False)


def test_exported_model_is_the_averaged_model_of_the_checkpoint(checkpoint, tmp_path):
    checks = export_checkpoint(checkpoint, tmp_path / "model.pt")
    assert {"F = -dE/dr"} < {check.name for check in checks}
    module, manifest = load_model(tmp_path / "model.pt")
    eager, config, _ = model_of_checkpoint(read_checkpoint(checkpoint))
    atoms = random_configuration(30, config.model.cutoff, 1, seed=5)
    arguments = (torch.from_numpy(atoms.types), *atoms.edges(config.model.cutoff, torch.float32))
    torch.testing.assert_close(module(*arguments), eager(*arguments), rtol=1e-5, atol=1e-6)
    assert manifest.type_names == ("Ar",)
    assert manifest.n_layers == 2


def test_manifest_says_what_it_was_trained_on(checkpoint, tmp_path):
    export_checkpoint(checkpoint, tmp_path / "model.pt")
    training = read_manifest(tmp_path / "model.pt").training
    frames = argon.crystal_frames(20).select(range(16))
    pairs = frames.positions[:32][:, None] - frames.positions[:32]
    pairs -= frames.cell[0, 0, 0] * np.round(pairs / frames.cell[0, 0, 0])
    lengths = np.linalg.norm(pairs, axis=-1)
    assert training["shortest_distance"]["Ar-Ar"] <= lengths[lengths > 0].min() + 1e-12
    assert training["valid_errors"]["forces_mae_meV_per_A"] > 0


@pytest.mark.parametrize("name", laws.MODELS)
def test_every_potential_passes_the_checks(name):
    model = laws.MODELS[name]()
    checks = verify(model, script(model), laws.CUTOFF, 2)
    assert sum("layers = whole" in check.name for check in checks) == (4 if name in laws.LAYERED else 0)
    assert max(check.difference for check in checks if "scripted" in check.name) < 1e-12


class DirectForce(nn.Module):
    """Negative control: an energy whose gradient is cut off from part of what it depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        lengths = torch.linalg.vector_norm(edge_vectors, dim=-1)
        pair = self.weight * torch.exp(-lengths) * lengths.detach()
        return torch.zeros(types.shape[0], dtype=pair.dtype).index_add(0, edge_index[0], pair)


def test_forces_that_are_not_the_gradient_are_refused():
    model = DirectForce()
    with pytest.raises(ExportError, match=r"F = -dE/dr: relative difference .*no model file was written"):
        verify(model, torch.jit.script(model), 4.0, 1)


def test_scripted_model_that_differs_is_refused():
    eager, other = laws.potential(l_max=1), laws.potential(l_max=1)
    with torch.no_grad():
        other.layers[0].mix.weight.mul_(1.001)
    with pytest.raises(ExportError, match=r"scripted = eager, 1 atoms, energies: .*, allowed 1e-10"):
        verify(eager, torch.jit.script(other), laws.CUTOFF, 2)


def test_nan_is_refused():
    model = laws.potential(l_max=1)
    with torch.no_grad():
        model.layers[0].mix.weight.fill_(torch.nan)
    with pytest.raises(ExportError, match="scripted = eager, 1 atoms, energies: relative difference nan"):
        verify(model, torch.jit.script(model), laws.CUTOFF, 2)


def test_damaged_checkpoint_leaves_no_file(tmp_path):
    (tmp_path / "a.ckpt").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        export_checkpoint(tmp_path / "a.ckpt", tmp_path / "model.pt")
    assert not (tmp_path / "model.pt").exists()
