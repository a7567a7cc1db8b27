"""Sizes and weights of a model as C++ source and one file of numbers, which `source/layer.h` reads."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from lampion.deploy.fused.tables import Tables, layers_of
from lampion.training.models.potential import EquivariantPotential, Layer
from lampion.training.models.repulsion import COULOMB, ScreenedRepulsion
from lampion.training.models.update import DegreeLinear, PathMix, SpherePowers

#: Version of `source/fused_interface.h`, other than that of `layer_functions`; the pair style calls no other.
INTERFACE = 2
#: Numbers of a cache line: every array begins at one.
ALIGNMENT = 16


class Numbers:
    """Arrays of float32, one after the other."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self.size = 0

    def add(self, values: Tensor) -> int:
        """Append an array; returns where it begins."""
        array = values.detach().to(torch.float32).contiguous().numpy().ravel()
        start = self.size
        self.arrays.append(np.pad(array, (0, -len(array) % ALIGNMENT)))
        self.size += len(self.arrays[-1])
        return start

    def to_bytes(self) -> bytes:
        """The content of the file."""
        return np.concatenate(self.arrays).astype("<f4").tobytes()


def source(model: EquivariantPotential, tables: Tables) -> tuple[str, bytes]:
    """C++ source and the content of `weights.bin`, which it includes when it is compiled."""
    numbers = Numbers()
    layers = [_layer(model, tables, k, numbers) for k in range(model.n_layers)]
    names = ", ".join(f"Layer{k}" for k in range(model.n_layers))
    return _SOURCE.format(layers="\n".join(layers), names=names), numbers.to_bytes()


_SOURCE = """// Written by lampion export.
#include "geometry.h"
#include "nodes.h"
#include "repulsion.h"

#include <tuple>

asm(".section .rodata\\n.balign 64\\nlampion_weights:\\n.incbin \\"weights.bin\\"\\n.previous");
extern const float weights[] asm("lampion_weights") __attribute__((visibility("hidden")));

namespace lampion::fused {{

namespace {{    // of this model alone: several may be loaded into one process
{layers}
using Layers = std::tuple<{names}>;
}}    // namespace
}}    // namespace lampion::fused

#include "entry.h"
"""


def _layer(model: EquivariantPotential, tables: Tables, k: int, numbers: Numbers) -> str:
    layer = layers_of(model)[k]
    first = k == 0
    parts = [
        *_sizes(model, layer, first=first, last=k == model.n_layers - 1),
        *_grid(tables),
        _pointer("table", tables.layers[k], numbers),
        *_coupling(layer),
        *_matrices(model, layer, numbers, first=first),
        *_readout(layer, float(model.scale), numbers),
        *_powers(layer.powers, numbers),
        *(_fixed(model) if first else []),
    ]
    return "\n".join([f"struct Layer{k} {{", *(f"  static constexpr {part};" for part in parts), "};", ""])


def _sizes(model: EquivariantPotential, layer: Layer, *, first: bool, last: bool) -> list[str]:
    counts = {
        "CHANNELS": layer.edge_sum.n_channels,
        "L": layer.edge_sum.l_max,
        "L_SENDER": layer.edge_sum.l_sender,
        "L_OUT": layer.update.l_max,
        "ORDERS": layer.order_scale.shape[1],
        "HIDDEN": layer.readout_hidden.out_features,
        "TYPES": model.n_types,
    }
    flags = {"FIRST": first, "LAST": last, "REPELS": first and model.repulsion is not None}
    return [
        *(f"int {name} = {value}" for name, value in counts.items()),
        *(f"bool {name} = {str(value).lower()}" for name, value in flags.items()),
    ]


def _grid(tables: Tables) -> list[str]:
    grid = tables.grid
    return [
        f"int KNOTS = {grid.n}",
        f"Knots KNOT = {{{grid.contact!r}f, {grid.cutoff!r}f, {grid.first!r}f, {grid.spacing!r}f, {grid.n}}}",
    ]


def _coupling(layer: Layer) -> list[str]:
    mix: PathMix = layer.mix
    table = mix.coupling.table.double() * layer.sum_scale.double()
    degrees = [degree for degree, count in enumerate(mix.coupling.n_paths) for _ in range(count)]
    return [
        f"int PATHS = {len(degrees)}, COUPLED = {table.shape[0]}",
        f"int PATH_DEGREES[] = {_list(degrees)}",
        *_sparse("coupling", table),
        *_sparse("coupling_turned", table.T),
    ]


def _sparse(name: str, matrix: Tensor) -> list[str]:
    rows, columns = (part.tolist() for part in torch.nonzero(matrix, as_tuple=True))
    first = [0, *np.cumsum(np.bincount(rows, minlength=matrix.shape[0])).tolist()]
    values = matrix[rows, columns].tolist()
    return [
        f"int {name}_first[] = {_list(first)}",
        f"int {name}_column[] = {_list(columns)}",
        f"float {name}_value[] = {_list(f'{value!r}f' for value in values)}",
        f"Sparse {name} = {{{matrix.shape[0]}, {name}_first, {name}_column, {name}_value}}",
    ]


def _matrices(model: EquivariantPotential, layer: Layer, numbers: Numbers, *, first: bool) -> list[str]:
    residual: DegreeLinear = layer.residual
    found = [
        *_with_turned("mixing", layer.mix.weight, numbers),
        *_with_turned("update", layer.update.weight, numbers),
        _pointer("order_scale", layer.order_scale, numbers),
    ]
    if first:
        return [*found, _pointer("residual", model.embedding.weight @ residual.weight[0], numbers)]
    return [*found, *_with_turned("residual", residual.weight, numbers)]


def _readout(layer: Layer, scale: float, numbers: Numbers) -> list[str]:
    hidden = layer.readout_hidden
    return [
        _pointer("readout_linear", layer.readout_linear.weight * scale, numbers),
        _pointer("readout_hidden", hidden.weight.T, numbers),
        _pointer("readout_hidden_turned", hidden.weight, numbers),
        _pointer("readout_bias", hidden.bias, numbers),
        _pointer("readout_out", layer.readout_out.weight * scale, numbers),
    ]


def _powers(powers: SpherePowers | None, numbers: Numbers) -> list[str]:
    if powers is None:
        return ["int POINTS = 0"]
    to_points, from_points = half_of_sphere(powers)
    results = torch.stack([linear.weight for linear in powers.results])  # type: ignore[misc]
    return [
        f"int POINTS = {len(to_points)}",
        _pointer("to_points", to_points, numbers),
        _pointer("from_points", from_points, numbers),
        *_with_turned("results", results, numbers),
    ]


def half_of_sphere(powers: SpherePowers) -> tuple[Tensor, Tensor]:
    """Matrices to and from one point of every opposite pair, (n_points / 2, n_in) and (n_points / 2, n_out).

    At a pair a function is even + odd and even - odd, its components of even and of odd degree; the projection of the
    even or odd part of a power counts both points.
    """
    to_points, from_points = powers.to_points.double(), powers.from_points.double().T
    directions = to_points[:, 1:4]  # the components of degree 1: along y, z, x
    opposite = torch.cdist(directions, -directions).argmin(1)
    half = torch.nonzero(torch.arange(len(opposite)) < opposite).flatten()
    assert len(half) * 2 == len(opposite), "Lebedev's points come in opposite pairs"
    return to_points[half], 2.0 * from_points[half]


def _fixed(model: EquivariantPotential) -> list[str]:
    shift = f"double SHIFT[] = {_list(model.shift.double().tolist())}"
    repulsion: ScreenedRepulsion | None = model.repulsion
    if repulsion is None:
        return [shift]
    charges, powers, n = repulsion.charges.double(), repulsion.powers.double(), model.n_types
    pairs = [
        _list(
            [
                0.5 * COULOMB * float(charges[i] * charges[j]),
                float(powers[i] + powers[j]) / 0.46850,
                float(repulsion.reaches[i * n + j]),
            ]
        )
        for i in range(n)
        for j in range(n)
    ]
    return [shift, f"ScreenedPair PAIRS[] = {_list(pairs)}"]


def _with_turned(name: str, matrices: Tensor, numbers: Numbers) -> list[str]:
    """Matrices (..., n, n) and their transposes."""
    return [_pointer(name, matrices, numbers), _pointer(f"{name}_turned", matrices.transpose(-1, -2), numbers)]


def _pointer(name: str, values: Tensor, numbers: Numbers) -> str:
    return f"const float *{name} = weights + {numbers.add(values)}"


def _list(values: Iterable[object] | Sequence[object]) -> str:
    return "{" + ", ".join(str(value) for value in values) + "}"
