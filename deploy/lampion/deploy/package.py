"""Compiled model files, `model.pt2`: machine code of `layer_functions` in an archive with the TorchScript module.

The archive is one of torch (`torch.export.pt2_archive`): `data/aotinductor/NAME/` holds the code of function NAME,
`extra/` holds `lampion.json`, `script/` the TorchScript module, which is what Python evaluates. The code was made for
the processor, the torch and the compiler that the manifest names.
"""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.export.pt2_archive._package import PT2ArchiveWriter, load_pt2

from lampion.deploy.by_parts import cut, evaluate_by_parts
from lampion.deploy.compile import compiler, processor
from lampion.deploy.layer_functions import INTERFACE, Function
from lampion.deploy.modelfile import ENTRY, SCRIPT, Manifest, ModelFileError
from lampion.deploy.verify import (
    Check,
    Configuration,
    agreement,
    answers,
    random_samples,
    require,
)
from lampion.training.build import torch_dtype
from lampion.training.files import atomic_path


def save_compiled(
    code: Mapping[str, Sequence[str]],
    eager: nn.Module,
    scripted: torch.jit.ScriptModule,
    manifest: Manifest,
    path: Path,
    samples: Sequence[Configuration] = (),
) -> list[Check]:
    """Write a compiled model file, after the code in it has given what the eager model gives.

    Args:
        code: files of machine code by function, of `compile_model`.
        eager: the model compiled.
        scripted: its TorchScript form, verified before.
        manifest: gets what the code was made for in `compiled`.
        path: the model file.
        samples: see `verify`.

    Raises:
        ExportError: the code differs from the model; nothing was written.
        ModelFileError: the folder cannot be written to.
    """
    made_for = {"interface": INTERFACE, "functions": sorted(code), "processor": processor(), "compiler": compiler()}
    manifest = replace(manifest, compiled=made_for)
    try:
        with atomic_path(path) as temporary:
            with temporary.open("wb") as stream:
                _write(stream, code, scripted, manifest)
            functions = load_functions(temporary)
            return require(_checks(functions, eager, manifest, samples))
    except OSError as error:
        raise ModelFileError(f"cannot write model file {path}: {error.strerror}") from error


def load_functions(path: str | os.PathLike[str]) -> dict[str, Function]:
    """The functions in a compiled model file. They are machine code: load only files whose origin you trust."""
    with Path(path).open("rb") as stream:
        return dict(load_pt2(stream, run_single_threaded=True).aoti_runners)


def _write(
    stream: io.BufferedWriter, code: Mapping[str, Sequence[str]], scripted: torch.jit.ScriptModule, manifest: Manifest
) -> None:
    module = io.BytesIO()
    torch.jit.save(scripted, module)
    with PT2ArchiveWriter(stream) as archive:
        for name, files in code.items():
            for file in files:
                archive.write_file(f"data/aotinductor/{name}/{Path(file).name}", file)
        archive.write_bytes(SCRIPT, module.getvalue())
        archive.write_string(f"extra/{ENTRY}", manifest.to_json())


def _checks(
    functions: Mapping[str, Function], eager: nn.Module, manifest: Manifest, samples: Sequence[Configuration]
) -> Iterator[Check]:
    dtype = torch_dtype(manifest.dtype)
    for atoms in samples or random_samples(manifest.cutoff, len(manifest.type_names)):
        types = torch.from_numpy(atoms.types)
        edges, vectors = atoms.edges(manifest.cutoff, dtype)
        if "whole" in functions:
            found = functions["whole"](types, edges, vectors, torch.ones(len(types), dtype=dtype))
        else:
            parts = cut(edges, vectors, len(types), manifest.cutoff, 1 if len(types) < 4 else 2)
            found = evaluate_by_parts(functions, types, vectors, parts)
        expected = answers(eager, types, edges, vectors, conservative=manifest.conservative)
        yield from agreement(f"compiled = eager, {len(types)} atoms", found, expected)
