"""Models of the benchmark: one that learns, one that costs nothing, one that only carries states between ranks."""

from pathlib import Path

import torch
from torch import Tensor, nn

from lampion.deploy.compile import compile_model
from lampion.deploy.modelfile import Manifest, save_model
from lampion.deploy.package import save_compiled
from lampion.training.build import build_model
from lampion.training.config import ModelConfig
from lampion.training.statistics import DataStatistics

EPSILON, SIGMA, LJ_CUTOFF = 0.0104, 3.4, 8.5  # argon, eV and Å
CUTOFF, N_LAYERS = 6.5, 3  # of the learned model


class LennardJones(nn.Module):
    """E_i = 1/2 Σ_j 4 ε (s² - s), s = (σ/r)⁶."""

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        s = (3.4**2 / (edge_vectors**2).sum(1)) ** 3
        return torch.zeros(types.shape[0], dtype=s.dtype).index_add(0, edge_index[0], 0.0208 * (s * s - s))


class Nothing(nn.Module):
    """No energy and no gradient: what remains is the graph built before and the forces scattered after."""

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:  # noqa: ARG002
        return torch.zeros(types.shape[0], dtype=edge_vectors.dtype)


class Carrier(nn.Module):
    """States as wide as the learned model's, exchanged as often, and almost no arithmetic."""

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


def learned() -> nn.Module:
    """Three layers, l <= 1, 16 channels; random weights, so its forces are small and mean nothing."""
    torch.manual_seed(1)
    statistics = DataStatistics(["Ar"], [-0.05], 0.05, 29.0, {"Ar-Ar": 3.0})
    return build_model(ModelConfig(cutoff=CUTOFF, layers=N_LAYERS), statistics).eval()


def write_models(folder: Path) -> None:
    """`lj.pt`, `learned.pt`, `nothing.pt`, `carrier.pt`, and `learned.pt2`, compiled."""
    width = 4 * ModelConfig().channels
    for name, module, cutoff, n_layers, dtype in (
        ("lj", LennardJones(), LJ_CUTOFF, 1, "float64"),
        ("learned", learned(), CUTOFF, N_LAYERS, "float32"),
        ("nothing", Nothing(), CUTOFF, 1, "float32"),
        ("carrier", Carrier(width), CUTOFF, N_LAYERS, "float32"),
    ):
        save_model(torch.jit.script(module), Manifest(cutoff, ("Ar",), n_layers, dtype), folder / f"{name}.pt")
    module = learned()
    code = compile_model(module, torch.float32)
    manifest = Manifest(CUTOFF, ("Ar",), N_LAYERS, "float32", versions={"torch": torch.__version__})
    save_compiled(code, module, torch.jit.script(module), manifest, folder / "learned.pt2")
