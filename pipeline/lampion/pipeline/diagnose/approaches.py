"""How the replicas of a run came to fail: their last frames against a reference and against the training set."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms

from lampion.analysis.diagnosis.approach import Approach, energy_error, force_error, rms
from lampion.analysis.stability.definition import LAMPION
from lampion.analysis.stability.folder import Watched
from lampion.analysis.stability.judge import first_failures
from lampion.deploy.modelfile import read_manifest
from lampion.pipeline.evaluate.evaluation import thinned, training_frames
from lampion.pipeline.evaluate.judged import with_types_of
from lampion.pipeline.lmp.relabel import model_labels, relabel
from lampion.pipeline.stability.molecules import bare_frames, molecules_of
from lampion.training.data.frames import Frames, Ints
from lampion.training.data.graphs import GraphSet, build_graphs
from lampion.training.evaluation.novelty import TrainingSet

#: failures that are looked into, the first ones
MOST = 10


def approaches(
    watched: Watched, model: Path, folder: Path, *, reference: Path | None, data: Path | None
) -> list[Approach]:
    """The first failures whose last frames were kept, in the order of their times.

    Args:
        model: of the run. folder: for the work of `lmp`.
        reference: to relabel the frames with. data: labelled frames, or the folder of a training.

    Raises:
        as `relabel.relabel`; DataError: elements that the training set does not have.
    """
    failures = sorted(filter(None, first_failures(watched, LAMPION).values()), key=lambda failure: failure.time)
    kept = [(one, watched.kept[one.replica].finite()) for one in failures if one.replica in watched.kept]
    kept = [(one, frames) for one, frames in kept if len(frames.time)][:MOST]
    found = [Approach(one.replica, one.cause.value, frames.time - one.time) for one, frames in kept]
    molecules = [atoms for _, frames in kept for atoms in molecules_of(frames)]
    if reference and found:
        found = _with_errors(found, molecules, model, reference, folder)
    if data and found:
        found = _with_novelty(found, molecules, data, read_manifest(model).cutoff)
    return found


def _with_errors(
    found: Sequence[Approach], molecules: Sequence[Atoms], model: Path, reference: Path, folder: Path
) -> list[Approach]:
    energy, forces = model_labels(model, molecules)
    true_energy, true_forces = relabel(reference, molecules, folder)
    parts = [np.split(values, _ends(found)) for values in (forces, true_forces, energy, true_energy)]
    n_atoms = len(molecules[0])
    return [
        replace(one, forces=force_error(f, true_f), scale=rms(true_f), energy=energy_error(e, true_e, n_atoms))
        for one, f, true_f, e, true_e in zip(found, *parts, strict=True)
    ]


def _with_novelty(found: Sequence[Approach], molecules: Sequence[Atoms], data: Path, cutoff: float) -> list[Approach]:
    known = thinned(training_frames(data))
    training = TrainingSet(_graphs(known, cutoff), len(known.type_names), cutoff)
    bare = bare_frames(molecules, sorted(set(molecules[0].symbols)))
    seen = with_types_of(bare, known.type_names, str(data))
    distances = training.distances(_graphs(seen, cutoff)).reshape(len(molecules), -1).max(axis=1)
    parts = np.split(distances / (training.reach or np.nan), _ends(found))
    return [replace(one, novelty=part) for one, part in zip(found, parts, strict=True)]


def _ends(found: Sequence[Approach]) -> Ints:
    """Where the frames of one end and those of the next begin."""
    return np.cumsum([len(one.before) for one in found])[:-1]


def _graphs(frames: Frames, cutoff: float) -> GraphSet:
    import torch

    return build_graphs(frames, cutoff, torch.float64)
