"""Checkpoint, model of mace-torch, or sGDML force field -> model file: script, verify, write."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lampion.deploy.machine_code import compile_model
from lampion.deploy.modelfile import COMPILED, Manifest, save_model
from lampion.deploy.package import save_compiled
from lampion.deploy.references import of_architecture
from lampion.deploy.sgdml import SgdmlPotential, samples, shortest_distances
from lampion.deploy.sgdml_file import is_npz, read_sgdml
from lampion.deploy.verify import Check, Configuration, verify
from lampion.training.errors import ConfigError
from lampion.training.files import sha256
from lampion.training.loop.checkpoint import read_checkpoint
from lampion.training.models.build import model_of_checkpoint
from lampion.training.models.mace import is_mace_file, load_mace


def export_model(source: Path, output: Path, *, trust: bool = False, head: str | None = None) -> list[Check]:
    """Export a checkpoint, a model that mace-torch has saved, or an sGDML force field; the file tells which it is.

    Args:
        source: checkpoint of `lampion train`, `.model` of `mace_run_train` and of foundation models, npz of sGDML.
        output: the model file; if its name ends in .pt2, a compiled one.
        trust: whether a file of mace-torch, which can run code, may be loaded.
        head: see `export_mace`.
    """
    if is_mace_file(source):
        return export_mace(source, output, trust=trust, head=head)
    if is_npz(source):
        return export_sgdml(source, output)
    return export_checkpoint(source, output)


def export_checkpoint(checkpoint: Path, output: Path) -> list[Check]:
    """Export the averaged model of a checkpoint to a model file that `pair_style lampion` reads.

    Args:
        checkpoint: written by `lampion train`.
        output: the model file.

    Returns:
        The checks that were passed, with their figures.

    Raises:
        CheckpointError: the checkpoint cannot be read.
        ExportError: a check failed; nothing was written.
    """
    content = read_checkpoint(checkpoint)
    model, config, statistics = model_of_checkpoint(content)
    training = {
        "data_sha256": content["data_sha256"],
        "shortest_distance": statistics.shortest,
        "valid_errors": content["valid_errors"],
        "test_errors": content.get("test_errors"),
    }
    references = of_architecture(config.model.architecture)
    return _write(model, output, config.model.cutoff, statistics.type_names, training, references)


def export_mace(source: Path, output: Path, *, trust: bool, head: str | None = None) -> list[Check]:
    """Export a MACE of mace-torch, trained by it or a foundation model, in the precision it is stored in.

    Args:
        source: a pickled model.
        output: the model file.
        trust: consent to load it: a pickle runs whatever code its author wrote.
        head: name of the readout of a model with several.

    Returns:
        The checks that were passed, with their figures.

    Raises:
        ConfigError: without `trust`.
        CheckpointError: another kind of model, or no such head.
        ExportError: a check failed; nothing was written.
    """
    if not trust:
        raise ConfigError(
            f"{source}: is a pickled model of mace-torch, and loading a pickle runs whatever code its author wrote; "
            "if you trust where it comes from, add --trust"
        )
    model = load_mace(source, head)
    training = {"mace_sha256": sha256(source)}
    return _write(model, output, model.cutoff, model.type_names, training, of_architecture("mace"))


def export_sgdml(source: Path, output: Path) -> list[Check]:
    """Export an sGDML force field, in float64; each atom of the molecule becomes a type (C1, C2, O3, ...).

    Args:
        source: npz of the reference implementation.
        output: the model file.

    Returns:
        The checks that were passed, with their figures.

    Raises:
        DataError: no such model.
        ExportError: a check failed; nothing was written.
    """
    content = read_sgdml(source)
    model = SgdmlPotential(content)
    training = {"sgdml_sha256": sha256(source), "shortest_distance": shortest_distances(content)}
    molecules = samples(content, model.cutoff)
    return _write(model, output, model.cutoff, model.type_names, training, of_architecture("sgdml"), molecules)


def script(model: nn.Module) -> torch.jit.ScriptModule:
    """TorchScript of a model, by its own method if it has one."""
    own = getattr(model, "scripted", None)
    return own() if own else torch.jit.script(model)


def _write(
    model: nn.Module,
    output: Path,
    cutoff: float,
    type_names: Sequence[str],
    training: Mapping[str, Any],
    references: tuple[str, ...],
    samples: Sequence[Configuration] = (),
) -> list[Check]:
    scripted = script(model)
    checks = verify(model, scripted, cutoff, len(type_names), samples)
    dtype = next(model.parameters()).dtype
    code = compile_model(model, dtype) if output.suffix == COMPILED else None
    manifest = Manifest(
        cutoff=cutoff,
        type_names=tuple(type_names),
        n_layers=int(model.n_layers),  # type: ignore[arg-type]
        dtype=str(dtype).removeprefix("torch."),
        versions={"torch": str(torch.__version__), "lampion": version("lampion")},
        training=training,
        references=references,
        conservative=getattr(model, "conservative", True),
    )
    if code:
        return [*checks, *save_compiled(code, model, scripted, manifest, output, samples)]
    save_model(scripted, manifest, output)
    return checks
