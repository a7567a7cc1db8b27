"""Radial functions of a layer as tables: quintic Hermite splines in a coordinate in which they vary evenly.

Between two knots a function is the polynomial of degree 5 that has its values, slopes and curvatures there; its error
falls with the sixth power of the spacing, that of its slope with the fifth. The coordinate is that of the radial basis,
t = 1 / (1 + (r / r0)²): the functions are cosines of it and stay bounded at r = 0. They are tabulated without their
envelope, which falls from one to zero within a few knots and is multiplied afterwards: so they vanish smoothly at the
cutoff.
"""

import copy
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import jvp

from lampion.training.models.potential import EquivariantPotential, Layer

#: Largest error of a function and of its derivative, relative to the largest value of either in the layer.
ERROR = 5e-7
#: Where tables begin, in cutoffs: no two nuclei are as close.
SHORTEST = 0.01
FEWEST, MOST = 32, 1024

Function = Callable[[Tensor], Tensor]


class Grid(NamedTuple):
    """Equidistant knots of t; the first is the cutoff.

    Attributes:
        contact: r0, Å.
        cutoff: where the envelope ends, Å.
        first, last: t of the first and of the last knot.
        n: number of knots.
    """

    contact: float
    cutoff: float
    first: float
    last: float
    n: int

    @property
    def spacing(self) -> float:
        """Difference of t between knots."""
        return (self.last - self.first) / (self.n - 1)

    def knots(self) -> Tensor:
        """t of all knots, (n,) float64."""
        return torch.linspace(self.first, self.last, self.n, dtype=torch.float64)


class Tables(NamedTuple):
    """Tables of all layers.

    Attributes:
        grid: their knots.
        layers: per layer (n_types², n_knots, 3, n_functions) float64: value, slope and curvature in units of the
            spacing; the pair of receiver i and sender j is row i n_types + j.
        error: the largest error found between knots, see `ERROR`.
    """

    grid: Grid
    layers: list[Tensor]
    error: float


def tabulate(model: EquivariantPotential) -> Tables:
    """Tables of a model's radial functions with as many knots as `ERROR` asks for, but no more than `MOST`."""
    model = copy.deepcopy(model).double()
    for layer in layers_of(model):
        if isinstance(layer.radial.activation, nn.SiLU):
            layer.radial.activation = _Silu()
    n = FEWEST
    while True:
        tables = _with_knots(model, n)
        if tables.error <= ERROR or n >= MOST:
            return tables
        n *= 2


class _Silu(nn.Module):
    """SiLU, spelled out: torch's own has no second derivative in forward mode."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


def distances(grid: Grid, t: Tensor) -> Tensor:
    """r of a coordinate t, Å."""
    return grid.contact * torch.sqrt(1.0 / t - 1.0)


def interpolate(table: Tensor, grid: Grid, t: Tensor) -> tuple[Tensor, Tensor]:
    """Values (n, n_functions) at the points t (n,) and their slopes with respect to t: the reference of the C++ code.

    Args:
        table: (n_knots, 3, n_functions).
        grid: its knots.
        t: between the first knot and the last.
    """
    place = (t - grid.first) / grid.spacing
    left = place.floor().long().clamp(0, grid.n - 2)
    rows = torch.cat([table[left], table[left + 1]], dim=1)
    weights, slopes = jvp(_hermite, (place - left,), (torch.ones_like(place),))[:2]
    return torch.einsum("nw,nwf->nf", weights, rows), torch.einsum("nw,nwf->nf", slopes, rows) / grid.spacing


def _hermite(s: Tensor) -> Tensor:
    """Weights (n, 6) of value, slope and curvature at both knots, s = 0 at the left one and 1 at the right one."""
    rise = s**3 * (10 - 15 * s + 6 * s**2)
    left = [1 - rise, s + s**3 * (-6 + 8 * s - 3 * s**2), 0.5 * s**2 * (1 - s) ** 3]
    right = [rise, s**3 * (-4 + 7 * s - 3 * s**2), 0.5 * s**3 * (1 - s) ** 2]
    return torch.stack([*left, *right], dim=1)


def _with_knots(model: EquivariantPotential, n: int) -> Tables:
    radial = layers_of(model)[0].radial
    contact, cutoff = radial.basis.contact, radial.cutoff
    first, last = (1 / (1 + (r / contact) ** 2) for r in (cutoff, SHORTEST * cutoff))
    grid = Grid(contact, cutoff, first, last, n)
    layers = [torch.stack([_table(f, grid) for f in _functions(model, grid, k)]) for k in range(model.n_layers)]
    error = max(_error(model, grid, k, table) for k, table in enumerate(layers))
    return Tables(grid, layers, error)


def layers_of(model: EquivariantPotential) -> list[Layer]:
    """The layers, as what they are."""
    return list(model.layers)  # type: ignore[arg-type]


def _functions(model: EquivariantPotential, grid: Grid, k: int) -> Iterator[Function]:
    """Radial functions of t of layer k for every pair of types; in the first layer times the sender's embedding."""
    radial = layers_of(model)[k].radial
    for receiver in range(model.n_types):
        for sender in range(model.n_types):
            factor = model.embedding.weight[sender] if k == 0 else torch.ones(1, dtype=torch.float64)

            def function(t: Tensor, i: int = receiver, j: int = sender, factor: Tensor = factor) -> Tensor:
                types = [torch.full(t.shape, kind, dtype=torch.int64) for kind in (i, j)]
                values = radial.without_envelope(distances(grid, t), *types)
                return (values.unflatten(1, (-1, factor.shape[0])) * factor).flatten(1)

            yield function


def _table(function: Function, grid: Grid) -> Tensor:
    """(n_knots, 3, n_functions)."""
    knots, h = grid.knots(), grid.spacing

    def slope(t: Tensor) -> Tensor:
        return jvp(function, (t,), (torch.ones_like(t),))[1]

    with torch.no_grad():
        value, first = jvp(function, (knots,), (torch.ones_like(knots),))[:2]
        second = jvp(slope, (knots,), (torch.ones_like(knots),))[1]
        return torch.stack([value, h * first, h * h * second], dim=1)


def _error(model: EquivariantPotential, grid: Grid, k: int, tables: Tensor) -> float:
    """Largest error of values and of slopes halfway and at a quarter between knots, relative to the largest of each."""
    inner = (grid.knots()[:-1, None] + grid.spacing * torch.tensor([0.25, 0.5])).flatten()
    worst = [0.0, 0.0]
    largest = [math.ulp(1.0), math.ulp(1.0)]
    for function, table in zip(_functions(model, grid, k), tables, strict=True):
        with torch.no_grad():
            exact = jvp(function, (inner,), (torch.ones_like(inner),))
        for place, (found, expected) in enumerate(zip(interpolate(table, grid, inner), exact, strict=True)):
            worst[place] = max(worst[place], float((found - expected).abs().max()))
            largest[place] = max(largest[place], float(expected.abs().max()))
    return max(w / size for w, size in zip(worst, largest, strict=True))
