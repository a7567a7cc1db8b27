"""The models whose speed is measured: made once, kept in the cache."""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.machine import lampion
from benchmarks.workshop import Workshop, code_of_export
from lampion.deploy.export import export_checkpoint, export_mace
from lampion.deploy.machine_code import compile_model
from lampion.deploy.modelfile import Manifest, save_model
from lampion.deploy.package import save_compiled
from lampion.pipeline.shipped import shipped_path
from lampion.training.config.model import MaceConfig, ModelConfig
from lampion.training.models.build import build_model
from lampion.training.models.mace import scale_shift_mace
from lampion.training.preparation.statistics import DataStatistics

EPSILON, SIGMA, LJ_CUTOFF = 0.0104, 3.4, 8.5  # argon, eV and Å
LJ_CUT = f"pair_style lj/cut {LJ_CUTOFF}\npair_coeff * * {EPSILON} {SIGMA}"
#: The default network with the first two shells of the crystal as neighbours: 18.
NETWORK = ModelConfig(cutoff=6.0)
#: mace-torch as it is compared with: 32 channels, L = 1, two layers, and as many neighbours.
MACE = MaceConfig(cutoff=6.0, num_channels=32, max_L=1, num_interactions=2)
#: The same for molecules.
MACE_OF_MOLECULES = MaceConfig(cutoff=5.0, num_channels=32, max_L=1, num_interactions=2)
#: How a network of a molecule is trained.
MOLECULE = shipped_path("configs/molecule.yaml")
ELEMENTS = ("Ar", "Kr", "Ne", "Xe")


class LennardJones(nn.Module):
    """E_i = 1/2 Σ_j 4 ε (s² - s), s = (σ/r)⁶."""

    def __init__(self, epsilon: float, sigma: float) -> None:
        super().__init__()
        self.epsilon, self.sigma = epsilon, sigma

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        s = (self.sigma**2 / (edge_vectors**2).sum(1)) ** 3
        return torch.zeros(types.shape[0], dtype=s.dtype).index_add(0, edge_index[0], 2 * self.epsilon * (s * s - s))


class Nothing(nn.Module):
    """No energy and no gradient: what remains is the graph built before and the forces scattered after."""

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:  # noqa: ARG002
        return torch.zeros(types.shape[0], dtype=edge_vectors.dtype)


class Carrier(nn.Module):
    """States as wide as a learned model's, exchanged as often, and almost no arithmetic."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:  # noqa: ARG002
        return torch.zeros(types.shape[0], dtype=edge_vectors.dtype)

    @torch.jit.export
    def embed(self, types: Tensor) -> Tensor:
        return torch.zeros(types.shape[0], self.width)

    @torch.jit.export
    def layer(
        self,
        k: int,  # noqa: ARG002 - part of the contract
        n_centers: int,
        types: Tensor,  # noqa: ARG002
        state: Tensor,
        edge_index: Tensor,  # noqa: ARG002
        edge_vectors: Tensor,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        own = state[:n_centers]
        return own + 0.0, 0.0 * own[:, 0]


def lennard_jones(shop: Workshop) -> Path:
    """Lennard-Jones in five lines of TorchScript, float64: the least that a model file costs."""
    content = f"{LJ_CUT}{code_of_export()}"
    return shop.kept("lj.pt", content, lambda path: _script(LennardJones(EPSILON, SIGMA), LJ_CUTOFF, 1, path))


def nothing(shop: Workshop, cutoff: float) -> Path:
    """A model that returns zeros."""
    content = f"nothing {cutoff}{code_of_export()}"
    return shop.kept("nothing.pt", content, lambda path: _script(Nothing(), cutoff, 1, path, "float32"))


def carrier(shop: Workshop, config: ModelConfig) -> Path:
    """A model that only carries states from layer to layer."""
    width = config.channels * (config.l_state + 1) ** 2
    content = f"carrier {config.cutoff} {width} {config.layers}{code_of_export()}"
    make = Carrier(width)
    return shop.kept("carrier.pt", content, lambda path: _script(make, config.cutoff, config.layers, path, "float32"))


def random_network(shop: Workshop, config: ModelConfig, n_types: int = 1) -> Path:
    """The default network with random weights, compiled: its forces are small and mean nothing."""
    content = f"{config.model_dump_json()} {n_types}{code_of_export()}"
    return shop.kept("random.pt2", content, lambda path: _compile(config, n_types, path))


def random_script(shop: Workshop, config: ModelConfig) -> Path:
    """The same network as TorchScript."""

    def make(path: Path) -> None:
        _script(_random(config, 1), config.cutoff, config.layers, path, "float32")

    return shop.kept("random.pt", f"{config.model_dump_json()}{code_of_export()}", make)


def exported(shop: Workshop, checkpoint: Path, suffix: str) -> Path:
    """Model file of a checkpoint, `pt` or `pt2`, as `lampion export` writes it."""
    content = f"{checkpoint.resolve()} {checkpoint.stat().st_mtime_ns} {suffix}{code_of_export()}"
    return shop.kept(f"model.{suffix}", content, lambda path: export_checkpoint(checkpoint, path))


def random_mace(shop: Workshop, elements: list[str], config: MaceConfig = MACE) -> Path:
    """mace-torch's own model file, random weights."""

    def make(path: Path) -> None:
        statistics = DataStatistics(elements, [-0.05] * len(elements), 0.05, 29.0, {})
        torch.manual_seed(1)
        torch.save(scale_shift_mace(config, statistics), path)

    return shop.kept("mace.model", f"{elements} {config.model_dump_json()}", make)


def exported_mace(shop: Workshop, mace: Path) -> Path:
    """The same as TorchScript, by `lampion export --trust`."""
    return shop.kept("mace.pt", f"{mace}{code_of_export()}", lambda path: export_mace(mace, path, trust=True))


def errors(shop: Workshop, model: Path, frames: Path) -> dict[str, float]:
    """Errors of a model file on labelled frames: forces in meV/Å, energies in meV/atom."""

    def make(path: Path) -> None:
        path.write_text(lampion("evaluate", model, frames, "--json", cwd=shop.cache))

    found = json.loads(shop.kept("errors.json", f"{model}{frames}", make).read_text())
    return {
        "forces_rmse": found["forces"]["rmse_meV_per_A"],
        "forces_mae": found["forces"]["mae_meV_per_A"],
        "energy_rmse": found["energy"]["rmse_meV_per_atom"],
    }


def _random(config: ModelConfig, n_types: int) -> nn.Module:
    torch.manual_seed(1)
    return build_model(config, _statistics(n_types)).eval()


def _statistics(n_types: int) -> DataStatistics:
    names = list(ELEMENTS[:n_types])
    return DataStatistics(names, [-0.05] * n_types, 0.05, 29.0, {f"{a}-{b}": 3.0 for a in names for b in names})


def _script(module: nn.Module, cutoff: float, n_layers: int, path: Path, dtype: str = "float64") -> None:
    save_model(torch.jit.script(module), Manifest(cutoff, ("Ar",), n_layers, dtype), path)


def _compile(config: ModelConfig, n_types: int, path: Path) -> None:
    model = _random(config, n_types)
    code = compile_model(model, torch.float32)
    versions = {"torch": str(torch.__version__)}
    manifest = Manifest(config.cutoff, ELEMENTS[:n_types], config.layers, "float32", versions=versions)
    save_compiled(code, model, torch.jit.script(model), manifest, path)
