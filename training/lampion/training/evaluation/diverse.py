"""Which of many frames to label: those that hold what neither the training set nor the other choices hold."""

from collections.abc import Sequence

import numpy as np
import torch

from lampion.training.data.frames import Floats
from lampion.training.data.graphs import Graph
from lampion.training.evaluation.novelty import Environments, TrainingSet

#: distance below which environments are the same but for rounding
SAME = 1e-6


def farthest_frames(candidates: Sequence[Graph], known: TrainingSet, n: int) -> list[int]:
    """Indices of at most `n` candidates, the most novel first.

    Farthest-point sampling: the novelty of a frame is the largest distance of one of its atoms from all environments
    of its element that are known; the frame of the largest novelty is chosen, its environments become known, and so
    on. Distances as in `novelty.TrainingSet`. A frame that adds nothing is not chosen.

    Args:
        candidates: frames without labels, types numbered as in `known`.
        known: the training set.
    Source: Imbalzano et al., Journal of Chemical Physics 148, 241730 (2018), 10.1063/1.5024611.
    """
    if not candidates:
        return []
    environments = Environments.of(candidates, known.n_types, known.cutoff)
    distance = known.distances(candidates)
    chosen: list[int] = []
    while len(chosen) < min(n, len(candidates)):
        novelty = np.full(len(candidates), -np.inf)
        np.maximum.at(novelty, environments.frames, distance)
        novelty[chosen] = -np.inf
        best = int(novelty.argmax())
        if novelty[best] <= SAME:
            break
        chosen.append(best)
        distance = np.minimum(distance, _distances(environments, best))
    return chosen


def _distances(environments: Environments, frame: int) -> Floats:
    """(n_atoms,) distance of all atoms from the nearest of the same element in one frame; infinite without any."""
    found = np.full(len(environments.types), np.inf)
    own = environments.frames == frame
    for kind in np.unique(environments.types[own]):
        rows, known = np.flatnonzero(environments.types == kind), np.flatnonzero(own & (environments.types == kind))
        overlap = environments.points[torch.from_numpy(rows)] @ environments.points[torch.from_numpy(known)].T
        found[rows] = (2 - 2 * overlap.amax(dim=1)).clamp_min(0).sqrt().numpy()
    return found
