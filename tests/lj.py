"""Potentials of a few lines, written against the model-file contract, and their model files."""

import os
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lampion.deploy.modelfile import Manifest, save_model
from lampion.training.models.edges import read_senders
from layered import Layered

ARGON = {"epsilon": 0.0104, "sigma": 3.4, "cutoff": 8.5}  # eV, Å


class LennardJones(torch.nn.Module):
    """E_i = 1/2 Σ_j 4 ε (s² - s), s = (σ/r)⁶, truncated by the neighbour list like LAMMPS's `lj/cut`.

    Args:
        epsilon: (n_types, n_types) well depths, eV.
        sigma: (n_types, n_types) diameters, Å.
    """

    epsilon: Tensor
    sigma: Tensor

    def __init__(self, epsilon: Tensor, sigma: Tensor) -> None:
        super().__init__()
        self.register_buffer("epsilon", epsilon)
        self.register_buffer("sigma", sigma)

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        i, j = edge_index[0], edge_index[1]
        a, b = types[i], types[j]
        s = (self.sigma[a, b] ** 2 / (edge_vectors**2).sum(1)) ** 3
        pair = 2.0 * self.epsilon[a, b] * (s * s - s)
        return torch.zeros(types.shape[0], dtype=pair.dtype).index_add(0, i, pair)


class LayeredDensity(Layered):
    """Embedded-atom-like model of three layers; a node's state is a pair of densities.

        state⁰_i = (w(t_i), 1);  stateᵏ⁺¹_i = tanh(Σ_j stateᵏ_j c(r_ij)) + stateᵏ_i / 2
        E_i = Σ_k -√(1 + |stateᵏ⁺¹_i|²) + short-range repulsion in layer 0

    Layer 0 hands its result on twice, so the width of a state differs between layers.

    The energy of an atom depends on atoms three cutoffs away, so it comes out wrong on several ranks
    unless ghosts' states, and the gradients they are owed, are exchanged between layers.
    """

    weights: Tensor

    def __init__(self, cutoff: float, n_types: int) -> None:
        super().__init__(n_layers=3)
        self.cutoff = cutoff
        self.register_buffer("weights", 1.0 + 0.3 * torch.arange(n_types))

    @torch.jit.export
    def embed(self, types: Tensor) -> Tensor:
        w = self.weights[types]
        return torch.stack([w, torch.ones_like(w)], 1).unsqueeze(1)

    @torch.jit.export
    def layer(
        self,
        k: int,
        n_centers: int,
        types: Tensor,  # noqa: ARG002 - part of the contract
        state: Tensor,
        edge_index: Tensor,
        edge_vectors: Tensor,
    ) -> tuple[Tensor, Tensor]:
        i = edge_index[0]
        x = (edge_vectors**2).sum(1) / self.cutoff**2
        decay = torch.clamp(1.0 - x, min=0.0) ** 3  # a compiled model gets edges beyond the cutoff, too
        messages = read_senders(state, edge_index) * decay.view(-1, 1, 1)
        density = torch.zeros_like(state[:n_centers]).index_add(0, i, messages)
        out = torch.tanh(density) + 0.5 * state[:n_centers]
        energies = -torch.sqrt(1.0 + (out**2).sum(2).sum(1))
        if k == 0:
            energies = energies.index_add(0, i, (0.1 / x) ** 6 * decay)
        return torch.cat([out, out], 1) if k == 0 else out, energies


class Unlayered(torch.nn.Module):
    """The same energies through `forward` alone: the oracle for the exchange between layers."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        return self.model(types, edge_index, edge_vectors)


def argon(n_types: int = 1) -> LennardJones:
    """Argon in eV and Å; further types are other sizes of the same, mixed by Lorentz and Berthelot's rules."""
    epsilon = ARGON["epsilon"] * (1.0 + 0.5 * torch.arange(n_types, dtype=torch.float64))
    sigma = ARGON["sigma"] * (1.0 - 0.1 * torch.arange(n_types, dtype=torch.float64))
    return LennardJones((epsilon[:, None] * epsilon).sqrt(), (sigma[:, None] + sigma) / 2)


class Fragile(torch.nn.Module):
    """Pair energies √(r² - reach²); of atoms nearer than `reach` NaN, in the energy or in its gradient only.

    With a `strength` of 0 there are no forces beyond `reach`.
    """

    def __init__(self, reach: float, gradient_only: bool, strength: float = 1.0) -> None:
        super().__init__()
        self.reach = reach
        self.gradient_only = gradient_only
        self.strength = strength

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        gap = (edge_vectors**2).sum(1) - self.reach**2
        if self.gradient_only:
            gap = gap * (gap > 0)  # the energy is √0 = 0, and its derivative infinity times zero
        pair = self.strength * torch.sqrt(gap)
        return torch.zeros(types.shape[0], dtype=gap.dtype).index_add(0, edge_index[0], pair)


def write_model(
    module: torch.nn.Module,
    path: Path,
    type_names: tuple[str, ...] = ("Ar",),
    cutoff: float = ARGON["cutoff"],
    n_layers: int = 1,
    units: str = "metal",
    dtype: torch.dtype = torch.float64,
) -> Path:
    """Script `module` and write it as a model file; a compiled one where it can be, if LAMPION_TEST_COMPILED is set."""
    manifest = Manifest(cutoff, type_names, n_layers, str(dtype).removeprefix("torch."), units)
    module = module.to(dtype).eval()
    if not ("LAMPION_TEST_COMPILED" in os.environ and write_compiled(module, manifest, path)):
        save_model(torch.jit.script(module), manifest, path)
    return path


def write_compiled(module: torch.nn.Module, manifest: Manifest, path: Path) -> bool:
    """Compile `module` into a model file; False if it cannot be, as one whose energies are not finite everywhere."""
    from lampion.deploy.machine_code import compile_model
    from lampion.deploy.package import save_compiled
    from lampion.deploy.verify import ExportError
    from lampion.training.models.build import torch_dtype

    versions = {"torch": torch.__version__}
    try:
        code = compile_model(module, torch_dtype(manifest.dtype))
        save_compiled(code, module, torch.jit.script(module), replace(manifest, versions=versions), path)
    except ExportError:
        return False
    return True
