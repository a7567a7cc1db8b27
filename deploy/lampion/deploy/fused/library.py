"""Fused code: compiled from a model, and evaluated on a graph as the pair style does it."""

import ctypes
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import torch
from torch import Tensor, nn

from lampion.deploy.compile import compiler_command
from lampion.deploy.fused.constants import INTERFACE, source
from lampion.deploy.fused.tables import ERROR, layers_of, tabulate
from lampion.deploy.verify import ExportError
from lampion.training.models.potential import EquivariantPotential

#: Name of the shared object in a model file.
RECORD = "data/fused/layers.so"
SOURCE = Path(__file__).with_name("source")
#: Largest file of weights and tables, bytes: beyond, tables of many pairs of types cost more than they save.
LARGEST = 256 * 2**20
#: No option that lets the compiler reorder sums: `source/simd.h` rounds by one.
OPTIONS = (
    "-std=c++20",
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
)


def can_be_fused(model: nn.Module, dtype: torch.dtype) -> TypeGuard[EquivariantPotential]:
    """Whether there is code for a model: the equivariant potential in float32, its widths multiples of 4."""
    if not isinstance(model, EquivariantPotential) or dtype != torch.float32 or model.l_max == 0:
        return False
    layer = layers_of(model)[0]
    return layer.edge_sum.n_channels % 4 == 0 and layer.readout_hidden.out_features % 4 == 0


class Built(NamedTuple):
    """Compiled code.

    Attributes:
        files: content by name in the model file's archive.
        made: entries for the manifest: version of the interface, knots of the tables and their error.
    """

    files: dict[str, bytes]
    made: dict[str, Any]


def build(model: EquivariantPotential) -> Built | None:
    """Compile a model's fused code for this machine.

    Args:
        model: one that `can_be_fused`.

    Returns:
        The code; None if its tables would be too large or too far off.

    Raises:
        ExportError: the compiler failed.
    """
    tables = tabulate(model)
    text, weights = source(model, tables)
    if tables.error > ERROR or len(weights) > LARGEST:
        return None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.cpp").write_text(text)
        (folder / "weights.bin").write_bytes(weights)
        _compile(folder)
        code = (folder / "layers.so").read_bytes()
    made = {"interface": INTERFACE, "functions": ["fused"], "knots": tables.grid.n, "table_error": tables.error}
    return Built({RECORD: code}, made)


def _compile(folder: Path) -> None:
    command = [compiler_command(), *OPTIONS, f"-I{SOURCE}", "model.cpp", "-o", "layers.so"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if "error" in line), "it does not say why")
        raise ExportError(f"the C++ compiler failed: {reason}; write TorchScript: --format torchscript")


class _Graph(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("types", "first_edge", "senders", "vectors")]


class FusedLayers:
    """A shared object of `build`, on any graph."""

    def __init__(self, path: Path, n_layers: int) -> None:
        self.library = ctypes.CDLL(str(path))
        self.n_layers = n_layers

    def evaluate(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Energies (n_nodes,) and gradient (n_edges, 3), float64, of a graph with edges in any order."""
        n, order = len(types), torch.argsort(edge_index[0], stable=True)
        senders, vectors = edge_index[1, order].contiguous(), edge_vectors[order].contiguous()
        counts = torch.bincount(edge_index[0], minlength=n)
        first_edge = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        self._graph = _Graph(*(_address(t) for t in (types, first_edge, senders, vectors)))
        energies, gradient = torch.zeros(n, dtype=torch.float64), torch.zeros(len(vectors), 3, dtype=torch.float64)
        states = self._forward(n, energies)
        self._backward(n, states, energies, gradient)
        return energies, torch.empty_like(gradient).index_copy(0, order, gradient)

    def _forward(self, n: int, energies: Tensor) -> list[Tensor]:
        states = [torch.zeros(0)]
        for k in range(self.n_layers - 1):
            made = torch.zeros(n, self.library.lampion_state_width(k))
            self._call("forward", k, n, [states[-1], made, energies])
            states.append(made)
        return states

    def _backward(self, n: int, states: Sequence[Tensor], energies: Tensor, gradient: Tensor) -> None:
        weights, owed = torch.ones(n, dtype=torch.float64), torch.zeros(0)
        for k in range(self.n_layers - 1, -1, -1):
            below = torch.zeros_like(states[k])
            self._call("backward", k, n, [states[k], weights, owed, below, gradient, energies])
            owed = below

    def _call(self, name: str, layer: int, n: int, tensors: Sequence[Tensor]) -> None:
        function = getattr(self.library, f"lampion_{name}")
        range_ = (ctypes.c_int64(0), ctypes.c_int64(n))
        function(layer, ctypes.byref(self._graph), *range_, *(_address(tensor) for tensor in tensors))


def _address(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())
