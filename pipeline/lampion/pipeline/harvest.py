"""Frames worth learning from: what replicas passed through on their way to failure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ase import Atoms

from lampion.analysis.stability.folder import read_watched
from lampion.pipeline.relabel import bare_frames
from lampion.training.diverse import farthest_frames
from lampion.training.frames import Frames
from lampion.training.graphs import build_graphs
from lampion.training.novelty import TrainingSet

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
    found = []
    for replica, kept in watched.kept.items():
        good = kept.first(kept.n_finite())
        for time, positions in zip(good.time, good.positions, strict=True):
            if time <= failed.get(replica, -1.0) + _AFTER:
                found.append(Atoms(list(good.elements), positions))
    return found


def choose(candidates: Sequence[Atoms], known: Frames, cutoff: float, n: int) -> list[Atoms]:
    """At most `n` candidates, farthest from the frames known and from each other; see `diverse.farthest_frames`."""
    if not candidates:
        return []
    frames = bare_frames(candidates, known.type_names)
    graphs, trained = (build_graphs(part, cutoff, torch.float64) for part in (frames, known))
    chosen = farthest_frames(graphs[:], TrainingSet(trained[:], len(known.type_names), cutoff), n)
    return [candidates[k] for k in chosen]
