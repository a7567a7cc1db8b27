"""How far atoms are from all atoms of a training set, and how the error of the forces grows with it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lampion.training.data.frames import Floats, Ints
from lampion.training.data.graphs import Graph
from lampion.training.evaluation.calibration import rank_correlation
from lampion.training.evaluation.environments import fingerprints
from lampion.training.evaluation.predictions import Parity, batches, mae, rmse

#: Environments of one element compared, on either side; beyond it a random choice stands for all.
MOST = 8000
#: Share of the training set's own distances beyond which an environment counts as outside.
OUTSIDE = 0.99
N_BINS = 10


@dataclass(frozen=True)
class Environments:
    """Atoms of a set of frames as points.

    Attributes:
        points: (n_atoms, n_features) normalised fingerprints.
        types: (n_atoms,) type of the atom.
        frames: (n_atoms,) frame it belongs to.
    """

    points: Tensor
    types: Ints
    frames: Ints

    @classmethod
    def of(cls, graphs: Sequence[Graph], n_types: int, cutoff: float) -> "Environments":
        """Fingerprints of all atoms of the graphs, one frame each."""
        return cls(
            points=fingerprints(graphs, n_types, cutoff),
            types=np.concatenate([graph.types.numpy() for graph in graphs]),
            frames=np.repeat(np.arange(len(graphs)), [len(graph.types) for graph in graphs]),
        )

    def select(self, rows: Ints) -> "Environments":
        """The atoms with the given indices."""
        return Environments(self.points[rows], self.types[rows], self.frames[rows])


class TrainingSet:
    """Distances from the environments a model was trained on.

    The distance of two environments is that of their kernel, d = √(2 - 2 p·p') in [0, √2], and infinite between
    atoms of different elements (De, Bartók, Csányi, Ceriotti 2016, 10.1039/C6CP00415F).

    Args:
        graphs: of the training frames.
        n_types: number of type names.
        cutoff: of the graphs, Å.

    Attributes:
        reach: distance beyond which an environment is farther from the set than nearly all of its own are from those
            of its other frames; None for a set of one frame.
    """

    def __init__(self, graphs: Sequence[Graph], n_types: int, cutoff: float) -> None:
        self.n_types, self.cutoff = n_types, cutoff
        self.environments = _thinned(Environments.of(graphs, n_types, cutoff))
        own = self._nearest(self.environments, other_frames=True)
        self.reach = float(np.quantile(own[np.isfinite(own)], OUTSIDE)) if np.isfinite(own).any() else None

    def distances(self, graphs: Iterable[Graph]) -> Floats:
        """(n_atoms,) distance to the nearest training environment; infinite for an element that is not there."""
        pieces = (Environments.of(batch, self.n_types, self.cutoff) for batch in batches(graphs))
        return np.concatenate([self._nearest(piece, other_frames=False) for piece in pieces])

    def _nearest(self, queries: Environments, *, other_frames: bool) -> Floats:
        """Distances to the nearest environment, those of the same frame left out if asked."""
        known, found = self.environments, np.full(len(queries.types), np.inf)
        for kind in np.intersect1d(queries.types, known.types):
            rows, columns = np.flatnonzero(queries.types == kind), np.flatnonzero(known.types == kind)
            for block in np.array_split(rows, -(-len(rows) // 1000)):
                overlap = queries.points[block] @ known.points[columns].T
                if other_frames:
                    same = queries.frames[block][:, None] == known.frames[columns]
                    overlap[torch.from_numpy(same)] = -torch.inf
                found[block] = (2 - 2 * overlap.amax(dim=1)).clamp_min(0).sqrt().numpy()
        return found


def _thinned(environments: Environments) -> Environments:
    """At most `MOST` environments of each element, chosen by a fixed seed."""
    rng, kept = np.random.default_rng(0), []
    for kind in np.unique(environments.types):
        rows = np.flatnonzero(environments.types == kind)
        kept.append(rows if len(rows) <= MOST else rng.choice(rows, MOST, replace=False))
    return environments.select(np.sort(np.concatenate(kept)))


def novelty_table(distances: Floats, reach: float | None, parity: Parity) -> dict[str, Any]:
    """Distances of a data set from a training set and the force errors along them, ready for JSON.

    `median`, `q95`, `max` of the distances; `outside`: share of atoms beyond the training set's own `reach`;
    `correlation`: Spearman's, of distance and size of the force error; `bins`: tenths of rising distance.

    Args:
        distances: of `TrainingSet.distances`, (n_atoms,).
        reach: of the training set.
        parity: the same atoms, predicted.
    """
    known = np.isfinite(distances) & np.isfinite(parity.forces_reference).all(axis=1)
    near, errors = distances[known], (1e3 * (parity.forces_predicted - parity.forces_reference))[known]
    return {
        "n_atoms": int(known.sum()),
        "n_of_unseen_elements": int(np.isinf(distances).sum()),
        "median": float(np.median(near)) if near.size else None,
        "q95": float(np.quantile(near, 0.95)) if near.size else None,
        "max": float(near.max()) if near.size else None,
        "reach": reach,
        "outside": None if reach is None else float((distances > reach).mean()),
        "correlation": rank_correlation(near, np.linalg.norm(errors, axis=1)),
        "bins": [_bin(near[part], errors[part]) for part in np.array_split(np.argsort(near), N_BINS) if part.size],
    }


def _bin(distances: Floats, errors: Floats) -> dict[str, float]:
    return {
        "distance": float(np.median(distances)),
        "mae_meV_per_A": mae(errors),
        "rmse_meV_per_A": rmse(errors),
        "n_atoms": len(distances),
    }
