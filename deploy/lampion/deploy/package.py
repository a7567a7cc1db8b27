"""Compiled model files, `model.pt2`: machine code in an archive with the TorchScript module.

The archive is one of torch (`torch.export.pt2_archive`): `data/fused/` holds the shared object of code fused by hand,
or `data/aotinductor/NAME/` what torch made of function NAME; `extra/` holds `lampion.json`, `script/` the TorchScript
module, which is what Python evaluates. The code was made for the processor, the torch and the compiler that the
manifest names.
"""

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export.pt2_archive._package import PT2ArchiveWriter, load_pt2

from lampion.deploy.by_parts import cut, evaluate_by_parts
from lampion.deploy.fused.library import RECORD, FusedLayers
from lampion.deploy.layer_functions import INTERFACE, Function
from lampion.deploy.machine_code import MachineCode
from lampion.deploy.modelfile import ENTRY, SCRIPT, Manifest, ModelFileError
from lampion.deploy.verify import (
    Check,
    Configuration,
    agreement,
    answers,
    random_samples,
    require,
)
from lampion.training.files import atomic_path
from lampion.training.models.build import torch_dtype


def save_compiled(
    code: MachineCode,
    eager: nn.Module,
    scripted: torch.jit.ScriptModule,
    manifest: Manifest,
    path: Path,
    samples: Sequence[Configuration] = (),
) -> list[Check]:
    """Write a compiled model file, after the code in it has given what the eager model gives.

    Args:
        code: of `compile_model`.
        eager: the model compiled.
        scripted: its TorchScript form, verified before.
        manifest: gets what the code was made for in `compiled`.
        path: the model file.
        samples: see `verify`.

    Raises:
        ExportError: the code differs from the model; nothing was written.
        ModelFileError: the folder cannot be written to.
    """
    manifest = replace(manifest, compiled=code.made)
    try:
        with atomic_path(path) as temporary:
            with temporary.open("wb") as stream:
                _write(stream, code, scripted, manifest)
            return require(_checks(_load(temporary, manifest), eager, manifest, samples))
    except OSError as error:
        raise ModelFileError(f"cannot write model file {path}: {error.strerror}") from error


#: (types, edge_index, edge_vectors) to what `verify.answers` gives
Evaluate = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]]


def _load(path: Path, manifest: Manifest) -> Evaluate:
    """The machine code in a model file, on any graph."""
    assert manifest.compiled is not None
    if manifest.compiled["interface"] == INTERFACE:
        with path.open("rb") as stream:
            return _of_functions(dict(load_pt2(stream, run_single_threaded=True).aoti_runners), manifest.cutoff)
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        (name,) = (name for name in archive.namelist() if name.endswith(RECORD))
        return FusedLayers(Path(archive.extract(name, folder)), manifest.n_layers).evaluate


def _of_functions(functions: Mapping[str, Function], cutoff: float) -> Evaluate:
    def evaluate(types: Tensor, edges: Tensor, vectors: Tensor) -> tuple[Tensor, ...]:
        if "whole" in functions:
            return functions["whole"](types, edges, vectors, torch.ones(len(types), dtype=vectors.dtype))
        parts = cut(edges, vectors, len(types), cutoff, 1 if len(types) < 4 else 2)
        return evaluate_by_parts(functions, types, vectors, parts)

    return evaluate


def _write(stream: io.BufferedWriter, code: MachineCode, scripted: torch.jit.ScriptModule, manifest: Manifest) -> None:
    module = io.BytesIO()
    torch.jit.save(scripted, module)
    with PT2ArchiveWriter(stream) as archive:
        for name, content in code.files.items():
            archive.write_bytes(name, content)
        archive.write_bytes(SCRIPT, module.getvalue())
        archive.write_string(f"extra/{ENTRY}", manifest.to_json())


def _checks(
    evaluate: Evaluate, eager: nn.Module, manifest: Manifest, samples: Sequence[Configuration]
) -> Iterator[Check]:
    dtype = torch_dtype(manifest.dtype)
    for atoms in samples or random_samples(manifest.cutoff, len(manifest.type_names)):
        types = torch.from_numpy(atoms.types)
        edges, vectors = atoms.edges(manifest.cutoff, dtype)
        found = evaluate(types, edges, vectors)
        expected = answers(eager, types, edges, vectors, conservative=manifest.conservative)
        yield from agreement(f"compiled = eager, {len(types)} atoms", found, expected)
