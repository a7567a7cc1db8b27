"""Functions of tensors -> machine code: traced with open sizes, exported, compiled ahead of time by torch and g++."""

import re
import subprocess
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import cast

import torch
import torch._inductor
from torch import Tensor, nn
from torch.export import Dim, export
from torch.fx.experimental import _config as symbolic_shapes
from torch.fx.experimental.proxy_tensor import make_fx

from lampion.deploy.layer_functions import Function, functions_of
from lampion.deploy.verify import ExportError

#: Where torch's loader seeks the files of a function in an archive.
FOLDER = "data/aotinductor"
#: Threads evaluate parts of a graph, so a function itself runs in one.
OPTIONS = {"aot_inductor.package": True, "cpp.threads": 1}
#: Sizes of the graph traced with, all different, as sizes that are equal would be taken for one.
N_NODES, N_CENTERS, WIDTH = 11, 5, 7
#: Names of the extensions of a processor that a compiler may use.
EXTENSIONS = re.compile(r"(s?sse|avx|fma|f16c|bmi|movbe|adx|aes|vaes|v?pclmul|gfni|sha|amx|popcnt|abm|sve|asimd)")


def compile_functions(model: nn.Module, dtype: torch.dtype) -> dict[str, list[Path]]:
    """Machine code of all functions of a model, for this machine's processor: files by name of the function.

    Args:
        model: the model.
        dtype: of edge vectors and energies.

    Raises:
        ExportError: there is no compiler, or the model cannot be traced with open sizes.
    """
    compiler()
    with _traceable(model) as traced, _frozen(traced):
        functions = functions_of(traced)
        return {
            name: _compile(name, functions[name], examples) for name, examples in example_arguments(functions, dtype)
        }


def _traceable(model: nn.Module) -> AbstractContextManager[nn.Module]:
    """The model that is traced, by its own method if it has one."""
    own = cast(Callable[[], AbstractContextManager[nn.Module]] | None, getattr(model, "traceable", None))
    return own() if own else nullcontext(model)


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Weights are constants within. The model itself, since copies of some, as of MACE, are not what was copied."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval().requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def processor() -> list[str]:
    """Extensions of this machine's processor that compiled code may use, as Linux names them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return []
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return sorted(flag for flag in (flags[1].split() if flags else []) if EXTENSIONS.match(flag))


def compiler() -> str:
    """First line of what the C++ compiler says of itself.

    Raises:
        ExportError: there is none.
    """
    try:
        done = subprocess.run([compiler_command(), "--version"], capture_output=True, text=True, check=True)
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        raise ExportError(
            "a compiled model needs a C++ compiler, and there is none; install g++, or write TorchScript: "
            "--format torchscript"
        ) from error
    return done.stdout.splitlines()[0]


def compiler_command() -> str:
    """The C++ compiler that torch uses: g++, or the value of CXX."""
    from torch._inductor.cpp_builder import get_cpp_compiler

    return get_cpp_compiler()


@contextmanager
def _refused(name: str) -> Iterator[None]:
    """Say of which function it is that the model, torch's tracer or the compiler throw whatever they throw."""
    try:
        yield
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ExportError(
            f"the model's function {name} cannot be compiled: {reason}; write TorchScript: --format torchscript"
        ) from error


def _compile(name: str, function: Function, examples: Sequence[Tensor]) -> list[Path]:
    # the rows of all tensors are open, but for edge_index, whose columns are
    open_sizes = tuple({0 if tensor.shape[0] != 2 else 1: Dim.DYNAMIC} for tensor in examples)
    # torch warns of its own ways
    with (
        _refused(name),
        warnings.catch_warnings(action="ignore"),
        symbolic_shapes.patch(use_duck_shape=False),  # type: ignore[attr-defined]
    ):
        traced = make_fx(function, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*examples)
        program = export(traced, tuple(examples), dynamic_shapes=open_sizes)
        files = torch._inductor.aot_compile(program.module(), tuple(examples), options=OPTIONS)
    paths = (Path(str(file)) for file in cast(list[object], files))
    return [path for path in paths if path.suffix in (".so", ".json")]


def example_arguments(functions: Mapping[str, Function], dtype: torch.dtype) -> Iterator[tuple[str, list[Tensor]]]:
    """Arguments to trace each function with."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    types, weights = torch.zeros(N_NODES, dtype=torch.int64), random(N_CENTERS)
    centers, vectors = torch.arange(N_CENTERS), random(N_CENTERS * WIDTH, 3)
    senders = torch.arange(N_CENTERS * WIDTH) % N_NODES
    if "whole" in functions:
        yield "whole", [types, torch.stack([senders, senders.flip(0)]), vectors, random(N_NODES)]
        return
    state: list[Tensor] = []
    for k in range((len(functions) - 1) // 2):
        part = [types, centers, senders, vectors, *state]
        with _refused(f"forward_{k}"):
            shape = functions[f"forward_{k}"](*part)[0].shape
        yield f"forward_{k}", part
        yield f"backward_{k}", [*part, weights, random(*shape)]
        state = [random(N_NODES, *shape[1:])]
    yield "last", [types, centers, senders, vectors, *state, weights]
