"""Code fused by hand computes what the equivariant potential computes, from tables as exact as they say."""

import copy
import platform
from pathlib import Path

import numpy as np
import pytest
import torch

import laws
from lampion.deploy.export import script
from lampion.deploy.fused import library
from lampion.deploy.fused.constants import half_of_sphere
from lampion.deploy.fused.library import FusedLayers, build, can_be_fused
from lampion.deploy.fused.tables import ERROR, distances, interpolate, tabulate
from lampion.deploy.machine_code import MachineCode, compile_model
from lampion.deploy.modelfile import Manifest, read_manifest
from lampion.deploy.package import save_compiled
from lampion.deploy.verify import ExportError, energies_and_gradient, random_samples
from lampion.training.models.radial import smooth_cutoff

#: relative to the same in float64: what sums of float32 lose, the tables' error included
ROUNDING = 3e-6
NETWORKS = {
    "one layer, three-body": {"l_max": 1, "layers": 1, "channels": 4},
    "three layers": {"l_max": 1, "layers": 3, "channels": 8, "radial_width": 8},
    "scalars are sent, no powers": {"l_max": 2, "l_state": 0, "channels": 12, "body_order": 2},
    "medium, with repulsion": {"preset": "medium", "channels": 16},
    "degrees of two are sent": {"preset": "medium", "channels": 48, "l_state": 2, "readout_width": 12},
    "degrees of three are sent": {"l_max": 3, "l_state": 3, "channels": 4},
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A network in float32 and its fused code."""
    model = laws.potential("float32", **NETWORKS[request.param]).requires_grad_(False)
    return model, loaded(model, tmp_path_factory.mktemp("fused"))


def loaded(model, folder: Path) -> FusedLayers:
    path = folder / "layers.so"
    path.write_bytes(build(model).files[library.RECORD])
    return FusedLayers(path, model.n_layers)


def differences(model, code: FusedLayers, types, edges, vectors) -> list[float]:
    """Of energies and gradients to the network in float64, relative to the largest of them, or to 0.02 eV and eV/Å."""
    expected = energies_and_gradient(copy.deepcopy(model).double(), types, edges, vectors.double())
    found = code.evaluate(types, edges, vectors)
    pairs = [pair for pair in zip(found, expected, strict=True) if len(pair[0])]
    return [float((one - other).abs().max() / other.abs().max().clamp_min(0.02)) for one, other in pairs]


def test_energies_and_forces_are_those_of_the_network(network):
    for atoms in random_samples(laws.CUTOFF, 2):  # one atom alone, two, and more than fill a block
        types, (edges, vectors) = torch.from_numpy(atoms.types), atoms.edges(laws.CUTOFF, torch.float32)
        assert max(differences(*network, types, edges, vectors)) < ROUNDING


def test_atoms_without_neighbors_and_without_atoms(network):
    model, code = network
    types, nothing = torch.tensor([0, 1, 1]), torch.zeros(2, 0, dtype=torch.int64)
    assert max(differences(model, code, types, nothing, torch.zeros(0, 3))) < ROUNDING
    assert [len(found) for found in code.evaluate(types[:0], nothing, torch.zeros(0, 3))] == [0, 0]


@pytest.mark.parametrize("distance", [0.3, 0.9, 1.19, laws.CUTOFF * (1 - 1e-6)])
def test_pairs_at_any_distance(network, distance):
    """Inside the repulsion, where there are data, and so near the cutoff that nothing but its zero is left."""
    edges = torch.tensor([[0, 1], [1, 0]])
    vectors = torch.tensor([[0.6, 0.0, 0.8], [-0.6, 0.0, -0.8]]) * distance
    assert max(differences(*network, torch.tensor([0, 1]), edges, vectors)) < ROUNDING


@pytest.mark.parametrize("vector", [(float("nan"), 0.0, 1.0), (0.0, 0.0, 0.0), (float("inf"), 0.0, 0.0)])
def test_what_is_no_number_stays_none(network, vector):
    """A table has no entry for it, so it must not be taken for a place in one."""
    _, code = network
    edges, vectors = torch.tensor([[0, 1], [1, 0]]), torch.tensor([vector, (1.0, 1.0, 0.0)])
    _, gradient = code.evaluate(torch.tensor([0, 1]), edges, vectors)
    assert not gradient[0].isfinite().any()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names processors of this kind")
@pytest.mark.parametrize("processor", ["haswell", "x86-64"])
def test_processors_with_shorter_vectors(monkeypatch, tmp_path, processor):
    monkeypatch.setattr(library, "OPTIONS", (*library.OPTIONS, f"-march={processor}"))
    model = laws.potential("float32", preset="medium", channels=16).requires_grad_(False)
    atoms = random_samples(laws.CUTOFF, 2)[2]
    types, (edges, vectors) = torch.from_numpy(atoms.types), atoms.edges(laws.CUTOFF, torch.float32)
    assert max(differences(model, loaded(model, tmp_path), types, edges, vectors)) < ROUNDING


def test_several_models_in_one_process(tmp_path):
    """Each has buffers and weights of its own, though all are made of the same templates."""
    models = [laws.potential("float32", l_max=1, channels=channels) for channels in (4, 16)]
    codes = []
    for k, model in enumerate(models):
        (tmp_path / str(k)).mkdir()
        codes.append(loaded(model.requires_grad_(False), tmp_path / str(k)))
    atoms = random_samples(laws.CUTOFF, 2)[2]
    types, (edges, vectors) = torch.from_numpy(atoms.types), atoms.edges(laws.CUTOFF, torch.float32)
    for _ in range(2):
        for model, code in zip(models, codes, strict=True):
            assert max(differences(model, code, types, edges, vectors)) < ROUNDING


def test_tables_are_as_exact_as_they_say():
    model = laws.potential("float64", preset="medium", channels=4)
    tables = tabulate(model)
    assert 0 < tables.error <= ERROR
    grid, radial = tables.grid, model.layers[1].radial
    t = torch.linspace(grid.first, grid.last, 1717, dtype=torch.float64)
    r = distances(grid, t).requires_grad_()
    exact = radial.without_envelope(r, torch.zeros(len(t), dtype=torch.int64), torch.ones(len(t), dtype=torch.int64))
    values, slopes = interpolate(tables.layers[1][1], grid, t)
    rate = (-2 * r * t**2 / grid.contact**2).detach()
    for f in range(0, exact.shape[1], 5):
        (exact_slope,) = torch.autograd.grad(exact[:, f].sum(), r, retain_graph=True)
        assert (slopes[:, f] * rate - exact_slope).abs().max() < ERROR * (slopes * rate[:, None]).abs().max()
    assert (values - exact).abs().max() < ERROR * exact.abs().max()


def test_too_few_knots_are_noticed(monkeypatch):
    monkeypatch.setattr("lampion.deploy.fused.tables.MOST", 32)
    model = laws.potential("float32", preset="medium", channels=4).requires_grad_(False)
    assert tabulate(model).error > ERROR
    assert build(model) is None


def test_radial_functions_are_their_slow_part_times_the_envelope():
    radial = laws.potential("float64", l_max=1, radial_width=8).layers[0].radial
    r, types = torch.linspace(0.5, laws.CUTOFF, 50, dtype=torch.float64), torch.zeros(50, dtype=torch.int64)
    expected = radial.without_envelope(r, types, types) * smooth_cutoff(r, laws.CUTOFF)[:, None]
    torch.testing.assert_close(radial(r, types, types), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("l_max", [1, 2, 3])
def test_half_of_the_sphere_makes_the_same_powers(l_max):
    powers = laws.potential("float64", l_max=l_max, body_order=4).layers[0].powers
    features = torch.randn(powers.to_points.shape[1], 5, dtype=torch.float64)
    to_points, from_points = half_of_sphere(powers)
    odd = torch.tensor([int(np.sqrt(k)) % 2 == 1 for k in range(16)])
    values = powers.to_points @ features
    assert 2 * len(to_points) == len(values)
    even_part, odd_part = (to_points @ (features * part[: len(features), None]) for part in (~odd, odd))
    for power in (2, 3):
        plus, minus = (even_part + odd_part) ** power, (even_part - odd_part) ** power
        halves = [from_points.T @ ((plus + sign * minus) / 2) for sign in (1, -1)]
        found = torch.where(odd[: from_points.shape[1], None], halves[1], halves[0])
        torch.testing.assert_close(found, powers.from_points @ values**power, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "dtype"),
    [
        (lambda: laws.potential("float64", l_max=1, channels=4), torch.float64),
        (lambda: laws.potential("float32", l_max=1, channels=6), torch.float32),
        (lambda: laws.potential("float32", l_max=0, channels=4), torch.float32),
        (lambda: laws.potential("float32", l_max=1, channels=4, readout_width=6), torch.float32),
        (lambda: laws.e3x("float32", features=8), torch.float32),
    ],
    ids=["float64", "six channels", "scalars only", "readout of six", "another network"],
)
def test_what_cannot_be_fused_is_left_to_torch(model, dtype):
    assert not can_be_fused(model(), dtype)


def written(folder: Path, model, code: MachineCode | None = None) -> Path:
    versions = {"torch": str(torch.__version__)}
    manifest = Manifest(laws.CUTOFF, ("A", "B"), model.n_layers, "float32", versions=versions)
    save_compiled(code or compile_model(model, torch.float32), model, script(model), manifest, folder / "model.pt2")
    return folder / "model.pt2"


def test_model_file_says_what_it_holds(tmp_path):
    made = read_manifest(written(tmp_path, laws.potential("float32", l_max=1, channels=4))).compiled
    assert made is not None
    assert made["functions"] == ["fused"]
    assert 0 < made["table_error"] <= ERROR


def test_code_of_another_model_is_not_written(tmp_path):
    model, other = (laws.potential("float32", l_max=1, channels=4, basis=basis) for basis in (6, 7))
    code = compile_model(other, torch.float32)
    with pytest.raises(ExportError, match=r"compiled = eager, 1 atoms, energies: relative difference .*no model file"):
        written(tmp_path, model, code)
    assert not list(tmp_path.iterdir())


def test_what_the_compiler_says_is_said(monkeypatch):
    monkeypatch.setattr(library, "OPTIONS", ("-std=c++98",))
    with pytest.raises(ExportError, match=r"the C\+\+ compiler failed: .*error.*write TorchScript: --format torch"):
        build(laws.potential("float32", l_max=1, channels=4))
