"""Checkpoint -> model file: script, verify, write."""

from importlib.metadata import version
from pathlib import Path

import torch

from lampion.deploy.modelfile import Manifest, save_model
from lampion.deploy.verify import Check, verify
from lampion.training.build import model_of_checkpoint
from lampion.training.checkpoint import read_checkpoint

REFERENCES = (
    "@article{LAMMPS, author={Thompson, A. P. and others}, title={LAMMPS - a flexible simulation tool for "
    "particle-based materials modeling at the atomic, meso, and continuum scales}, journal={Comp. Phys. Comm.}, "
    "volume={271}, pages={10817}, year={2022}, doi={10.1016/j.cpc.2021.108171}}",
    "@article{MACE, author={Batatia, Ilyes and others}, title={MACE: Higher Order Equivariant Message Passing Neural "
    "Networks for Fast and Accurate Force Fields}, journal={Adv. Neural Inf. Process. Syst.}, volume={35}, "
    "year={2022}, eprint={2206.07697}}",
)


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
    scripted = torch.jit.script(model)
    checks = verify(model, scripted, config.model.cutoff, len(statistics.type_names))
    manifest = Manifest(
        cutoff=config.model.cutoff,
        type_names=tuple(statistics.type_names),
        n_layers=config.model.layers,
        dtype=config.model.dtype,
        versions={"torch": str(torch.__version__), "lampion": version("lampion")},
        training={
            "data_sha256": content["data_sha256"],
            "shortest_distance": statistics.shortest,
            "valid_errors": content["valid_errors"],
            "test_errors": content.get("test_errors"),
        },
        references=REFERENCES,
    )
    save_model(scripted, manifest, output)
    return checks
