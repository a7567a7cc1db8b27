"""Frames worth learning from: what replicas passed through on their way to failure."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from ase import Atoms

from lampion.analysis.stability.folder import read_watched
from lampion.pipeline.lmp.relabel import relabel
from lampion.pipeline.stability.molecules import bare_frames, molecules_of
from lampion.training.data.frames import Frames, Source
from lampion.training.data.graphs import build_graphs
from lampion.training.evaluation.diverse import farthest_frames
from lampion.training.evaluation.novelty import TrainingSet

#: how far beyond the first sample of an excursion frames are taken, ps: half a period of a stretched bond
_AFTER = 0.005


def before_failure(folder: Path, figures: dict[str, Any]) -> list[Atoms]:
    """The kept frames of all replicas that failed, up to the beginning of each failure.

    What comes later is another molecule, or none.

    Args:
        folder: working folder of the stability run.
        figures: its verdict, the content of `stability.json`.
    """
    watched = read_watched(folder)
    failed = {row["replica"]: row["time_ps"] for row in figures["times"] if row["cause"] is not None}
    found: list[Atoms] = []
    for replica, kept in watched.kept.items():
        good = kept.finite()
        end = failed.get(replica, -1.0) + _AFTER
        found += [atoms for time, atoms in zip(good.time, molecules_of(good), strict=True) if time <= end]
    return found


def choose(candidates: Sequence[Atoms], known: Frames, cutoff: float, n: int) -> list[Atoms]:
    """At most `n` candidates, farthest from the frames known and from each other; see `diverse.farthest_frames`."""
    if not candidates:
        return []
    frames = bare_frames(candidates, known.type_names)
    graphs, trained = (build_graphs(part, cutoff, torch.float64) for part in (frames, known))
    chosen = farthest_frames(graphs[:], TrainingSet(trained[:], len(known.type_names), cutoff), n)
    return [candidates[k] for k in chosen]


def labelled(candidates: Sequence[Atoms], reference: Path, folder: Path) -> Frames:
    """Frames with the energies and forces of the reference; no finite numbers where it has none; see `relabel`."""
    energy, forces = relabel(reference, candidates, folder)
    bare = bare_frames(candidates, sorted(set(candidates[0].symbols)))
    return replace(bare, energy=energy, forces=forces.reshape(-1, 3), sources=(Source.of(reference),))
