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
from lampion.analysis.stability.trajectory import Trajectory
from lampion.deploy.modelfile import read_manifest
from lampion.pipeline.check_atoms import Floats
from lampion.pipeline.evaluation import thinned, training_frames
from lampion.pipeline.judged import with_types_of
from lampion.pipeline.relabel import model_labels, relabel
from lampion.training.frames import Frames
from lampion.training.graphs import GraphSet, build_graphs
from lampion.training.novelty import TrainingSet

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
    failures = [failure for failure in first_failures(watched, LAMPION).values() if failure]
    failures = [failure for failure in sorted(failures, key=lambda f: f.time) if failure.replica in watched.kept][:MOST]
    kept = [_whole(watched.kept[failure.replica]) for failure in failures]
    found = [
        Approach(failure.replica, failure.cause.value, frames.time - failure.time)
        for failure, frames in zip(failures, kept, strict=True)
    ]
    if reference and found:
        found = _with_errors(found, kept, model, reference, folder)
    if data and found:
        found = _with_novelty(found, kept, data, read_manifest(model).cutoff)
    return [one for one in found if len(one.before)]


def _whole(kept: Trajectory) -> Trajectory:
    """The frames before the first that holds what is no number."""
    return kept.first(kept.n_finite())


def _with_errors(
    found: Sequence[Approach], kept: Sequence[Trajectory], model: Path, reference: Path, folder: Path
) -> list[Approach]:
    molecules = [atoms for frames in kept for atoms in _molecules(frames)]
    energy, forces = model_labels(model, molecules)
    true_energy, true_forces = relabel(reference, molecules, folder)
    n_atoms, ends = len(molecules[0]), np.cumsum([len(frames.time) for frames in kept])[:-1]
    parts = [np.split(values, ends) for values in (forces, true_forces, energy, true_energy)]
    return [
        replace(one, forces=force_error(f, true_f), scale=rms(true_f), energy=energy_error(e, true_e, n_atoms))
        if len(f)
        else one
        for one, f, true_f, e, true_e in zip(found, *parts, strict=True)
    ]


def _with_novelty(found: Sequence[Approach], kept: Sequence[Trajectory], data: Path, cutoff: float) -> list[Approach]:
    known = thinned(training_frames(data))
    training = TrainingSet(_graphs(known, cutoff), len(known.type_names), cutoff)
    reach = training.reach or np.nan
    result = []
    for one, frames in zip(found, kept, strict=True):
        if len(frames.time) == 0:
            result.append(one)
            continue
        seen = with_types_of(_frames(frames), known.type_names, str(data))
        distances = training.distances(_graphs(seen, cutoff)).reshape(len(frames.time), -1)
        result.append(replace(one, novelty=distances.max(axis=1) / reach))
    return result


def _graphs(frames: Frames, cutoff: float) -> GraphSet:
    import torch

    return build_graphs(frames, cutoff, torch.float64)


def _molecules(frames: Trajectory) -> list[Atoms]:
    return [Atoms(list(frames.elements), positions) for positions in frames.positions]


def _frames(trajectory: Trajectory) -> Frames:
    """Frames without labels."""
    n_frames, n_atoms, _ = trajectory.positions.shape
    names = tuple(sorted(set(trajectory.elements)))
    types = np.array([names.index(element) for element in trajectory.elements])
    nothing: Floats = np.zeros((n_frames * n_atoms, 3))
    return Frames(
        type_names=names,
        offsets=np.arange(n_frames + 1) * n_atoms,
        types=np.tile(types, n_frames),
        positions=trajectory.positions.reshape(-1, 3),
        cell=np.zeros((n_frames, 3, 3)),
        pbc=np.zeros((n_frames, 3), dtype=bool),
        energy=np.zeros(n_frames),
        forces=nothing,
        step=np.arange(n_frames),
    )
