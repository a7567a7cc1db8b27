"""What a model must know of its training data."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lampion.training.checks.summary import shortest_distances
from lampion.training.data.frames import Floats, Frames, mean_energy_per_type
from lampion.training.data.graphs import GraphSet


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
    def of(cls, frames: Frames, graphs: GraphSet, energy_shift: Floats | None = None) -> "DataStatistics":
        """Statistics of training frames and their graphs.

        Args:
            frames: training frames; read piece by piece.
            graphs: of these frames.
            energy_shift: energy per atom of each type, eV; none: by least squares from the frames.
        """
        shift = mean_energy_per_type(frames) if energy_shift is None else energy_shift
        squares = sum(float((chunk.forces**2).sum()) for chunk in frames.chunks())
        return cls(
            type_names=list(frames.type_names),
            energy_shift=[float(e) for e in shift],
            force_scale=float(np.sqrt(squares / frames.forces.size)),
            n_neighbors=graphs.n_edges / len(frames.types),
            shortest=shortest_distances(frames),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for checkpoints and manifests."""
        return asdict(self)
