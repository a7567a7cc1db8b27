"""Checks a model must pass before its file is written."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lampion.training.data.frames import Floats, Ints
from lampion.training.data.neighbors import neighbor_edges
from lampion.training.models.edges import forces_of

SIZES = (1, 2, 17, 60)
NEIGHBORS = 20
#: Largest relative difference allowed between two ways to compute the same number, per dtype.
TOLERANCE = {torch.float32: 5e-5, torch.float64: 1e-10}
FINITE_DIFFERENCE_TOLERANCE = 1e-6  # relative to the largest force, float64, step 1e-4 Å


class ExportError(ValueError):
    """The model failed a check, so no file was written."""

    exit_code = 4


@dataclass(frozen=True)
class Configuration:
    """Random atoms in a periodic box: positions (n, 3) Å, cell (3, 3) Å, types (n,)."""

    positions: Floats
    cell: Floats
    types: Ints

    def edges(self, cutoff: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """edge_index and edge_vectors of this configuration."""
        index, vectors = neighbor_edges(self.positions, self.cell, np.ones(3, dtype=bool), cutoff)
        return torch.from_numpy(index), torch.from_numpy(vectors).to(dtype)


@dataclass(frozen=True)
class Check:
    """One check and the largest relative difference it found."""

    name: str
    difference: float
    tolerance: float


def random_configuration(n_atoms: int, cutoff: float, n_types: int, seed: int) -> Configuration:
    """Atoms on a distorted lattice in a skewed periodic box, about 20 neighbours each."""
    rng = np.random.default_rng(seed)
    spacing = cutoff * (4.18879 / NEIGHBORS) ** (1 / 3)
    sites = int(np.ceil(n_atoms ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(sites)] * 3), axis=-1).reshape(-1, 3)[:n_atoms]
    cell = sites * spacing * (np.eye(3) + 0.05 * rng.normal(size=(3, 3)))
    fractional = (grid + 0.12 * rng.normal(size=grid.shape)) / sites
    return Configuration(fractional @ cell, cell, rng.integers(0, n_types, n_atoms))


def verify(
    eager: nn.Module,
    scripted: torch.jit.ScriptModule,
    cutoff: float,
    n_types: int,
    samples: Sequence[Configuration] = (),
) -> list[Check]:
    """Compare the scripted model with the eager one and both with the definition of a force.

    On random configurations of several sizes: energies, edge gradients (forces) and virials scripted against eager;
    layer by layer against the whole; and F = -∂E/∂r against central differences of the energy in float64. Of a model
    that predicts forces, whose `conservative` is False, the forces scripted against eager.

    Args:
        eager: the model.
        scripted: its TorchScript form.
        cutoff: Å.
        n_types: number of types.
        samples: configurations for a model that is defined on some only, in place of random ones; the last of them is
            for the finite differences.

    Raises:
        ExportError: a difference beyond its tolerance, named with its number.
    """
    # without compiling for the shape of each configuration
    with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        return require(_checks(eager, scripted, cutoff, samples or random_samples(cutoff, n_types)))


def require(checks: Iterable[Check]) -> list[Check]:
    """The checks, if all of them hold.

    Raises:
        ExportError: names the first that does not, with its number.
    """
    passed = list(checks)
    for check in passed:
        if not check.difference <= check.tolerance:  # also catches NaN
            raise ExportError(
                f"{check.name}: relative difference {check.difference:.2e}, allowed {check.tolerance:.0e}; "
                "no model file was written"
            )
    return passed


def random_samples(cutoff: float, n_types: int) -> list[Configuration]:
    """Configurations of several sizes; the last is for finite differences."""
    samples = [random_configuration(size, cutoff, n_types, seed) for seed, size in enumerate(SIZES)]
    return [*samples, random_configuration(17, cutoff, n_types, seed=99)]


def _checks(
    eager: nn.Module, scripted: torch.jit.ScriptModule, cutoff: float, samples: Sequence[Configuration]
) -> Iterator[Check]:
    dtype = next(eager.parameters()).dtype
    conservative = getattr(eager, "conservative", True)
    *compared, differenced = samples
    for atoms in compared:
        graph = (torch.from_numpy(atoms.types), *atoms.edges(cutoff, dtype))
        yield from _scripted_is_eager(eager, scripted, graph, conservative=conservative)
        if conservative and hasattr(scripted, "embed") and hasattr(scripted, "layer"):
            yield _layers_are_whole(scripted, eager.n_layers, graph)  # type: ignore[arg-type]
    if conservative:
        yield _force_is_gradient(eager, differenced, cutoff)


def energies_and_gradient(model: nn.Module, types: Tensor, edges: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Energies (n_nodes,) and their gradient (n_edges, 3) with respect to the edge vectors, by autograd."""
    vectors = vectors.clone().requires_grad_()
    energies = model(types, edges, vectors)
    (gradient,) = torch.autograd.grad(energies.sum(), vectors)
    return energies.detach(), gradient


def relative(found: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the largest value."""
    if expected.numel() == 0:
        return 0.0
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-3))


def answers(
    model: nn.Module, types: Tensor, edges: Tensor, vectors: Tensor, *, conservative: bool
) -> tuple[Tensor, ...]:
    """Energies and their gradient, or the forces of a model that predicts these."""
    if conservative:
        return energies_and_gradient(model, types, edges, vectors)
    return (model(types, edges, vectors).detach(),)


def agreement(label: str, found: Sequence[Tensor], expected: Sequence[Tensor]) -> Iterator[Check]:
    """What `answers` gives, found in another way."""
    names = ("energies", "forces")[-len(expected) :]
    for name, one, other in zip(names, found, expected, strict=True):
        yield Check(f"{label}, {name}", relative(one, other), TOLERANCE[other.dtype])


def _scripted_is_eager(
    eager: nn.Module, scripted: nn.Module, graph: tuple[Tensor, Tensor, Tensor], *, conservative: bool
) -> Iterator[Check]:
    types, _, vectors = graph
    found, expected = (answers(model, *graph, conservative=conservative) for model in (scripted, eager))
    label = f"scripted = eager, {len(types)} atoms"
    yield from agreement(label, found, expected)
    if conservative:
        difference = relative(vectors.T @ found[1], vectors.T @ expected[1])
        yield Check(f"{label}, virial", difference, TOLERANCE[vectors.dtype])


def _layers_are_whole(scripted: torch.jit.ScriptModule, n_layers: int, graph: tuple[Tensor, Tensor, Tensor]) -> Check:
    types, edges, vectors = graph
    state = scripted.embed(types)
    total = torch.zeros(len(types), dtype=vectors.dtype)
    for k in range(n_layers):
        state, energies = scripted.layer(k, len(types), types, state, edges, vectors)
        total = total + energies
    whole = scripted(types, edges, vectors)
    difference = relative(total.detach(), whole.detach())
    return Check(f"layers = whole, {len(types)} atoms", difference, TOLERANCE[vectors.dtype])


def _force_is_gradient(eager: nn.Module, atoms: Configuration, cutoff: float, step: float = 1e-4) -> Check:
    """Forces from edge gradients against central differences over atom displacements, in float64."""
    import copy

    model = copy.deepcopy(eager).double()
    types = torch.from_numpy(atoms.types)
    edges, vectors = atoms.edges(cutoff, torch.float64)
    _, gradient = energies_and_gradient(model, types, edges, vectors)
    forces = forces_of(gradient, edges, len(types))
    numeric = torch.zeros_like(forces)
    for atom, axis in [(a, x) for a in range(3) for x in range(3)]:
        energies = []
        for sign in (1, -1):
            moved = atoms.positions.copy()
            moved[atom, axis] += sign * step
            displaced = Configuration(moved, atoms.cell, atoms.types)
            energies.append(float(model(types, *displaced.edges(cutoff, torch.float64)).detach().sum()))
        numeric[atom, axis] = -(energies[0] - energies[1]) / (2 * step)
    return Check("F = -dE/dr", relative(forces[:3], numeric[:3]), FINITE_DIFFERENCE_TOLERANCE)
