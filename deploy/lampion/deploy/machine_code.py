"""Machine code of a model for this machine: fused by hand where it is known how, else made by torch's compiler."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lampion.deploy.compile import FOLDER, compile_functions, compiler, processor
from lampion.deploy.fused.library import build, can_be_fused
from lampion.deploy.layer_functions import INTERFACE


@dataclass(frozen=True)
class MachineCode:
    """What a compiled model file holds beside the TorchScript module.

    Attributes:
        files: content by name in the archive.
        made: what the pair style and users have to know of it, for the manifest's `compiled`.
    """

    files: Mapping[str, bytes]
    made: Mapping[str, Any]


def compile_model(model: nn.Module, dtype: torch.dtype) -> MachineCode:
    """Machine code of a model, for this machine's processor.

    Args:
        model: the model.
        dtype: of edge vectors and energies.

    Raises:
        ExportError: there is no compiler, or the model cannot be traced with open sizes.
    """
    machine = {"processor": processor(), "compiler": compiler()}
    if can_be_fused(model, dtype) and (fused := build(model)):
        return MachineCode(fused.files, {**fused.made, **machine})
    functions = compile_functions(model, dtype)
    files = {f"{FOLDER}/{name}/{file.name}": file.read_bytes() for name, found in functions.items() for file in found}
    return MachineCode(files, {"interface": INTERFACE, "functions": sorted(functions), **machine})
