"""What a model must know of its training data."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lampion.training.frames import Frames, mean_energy_per_type
from lampion.training.graphs import Graph
from lampion.training.summary import shortest_distances


@dataclass(frozen=True)
class DataStatistics:
    """What a model must know of its training data.

    Attributes:
        type_names: name of each atom type.
        energy_shift: energy per atom of each type, eV.
        force_scale: root mean square of the force components, eV/Å.
        n_neighbors: average number of neighbours within the cutoff.
        shortest: shortest distance per pair of type names, Å.
        contact: distance the radial functions were made for, Å; none: the smallest of `shortest`. A model that is
            trained further keeps it.
    """

    type_names: list[str]
    energy_shift: list[float]
    force_scale: float
    n_neighbors: float
    shortest: dict[str, float]
    contact: float | None = None

    @classmethod
    def of(cls, frames: Frames, graphs: list[Graph]) -> "DataStatistics":
        """Statistics of training frames and their graphs."""
        return cls(
            type_names=list(frames.type_names),
            energy_shift=[float(e) for e in mean_energy_per_type(frames)],
            force_scale=float(np.sqrt((frames.forces**2).mean())),
            n_neighbors=sum(g.edge_index.shape[1] for g in graphs) / len(frames.types),
            shortest=shortest_distances(frames),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for checkpoints and manifests."""
        return asdict(self)
