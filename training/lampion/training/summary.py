"""What a set of labelled frames holds: counts, ranges, shortest distances."""

from dataclasses import dataclass

import numpy as np

from lampion.training.errors import DataError
from lampion.training.frames import Floats, Frames
from lampion.training.neighbors import neighbor_edges


@dataclass(frozen=True)
class Summary:
    """Figures of a data set.

    Attributes:
        n_frames, n_atoms: frames, and atoms of all frames together.
        elements: number of atoms of each type name.
        energy_mean, energy_std: eV/atom, over frames.
        force_rms, force_max: eV/Å, per component and largest component.
        net_force_max: eV/Å, largest |Σ_i F_i| / n_atoms over frames; zero for an isolated or periodic system.
        has_stress, has_velocities: which optional labels are there.
        shortest: shortest distance seen per pair of type names ("Ar-Ar"), Å.
        duplicates: frames whose positions repeat an earlier frame exactly.
    """

    n_frames: int
    n_atoms: int
    elements: dict[str, int]
    energy_mean: float
    energy_std: float
    force_rms: float
    force_max: float
    net_force_max: float
    has_stress: bool
    has_velocities: bool
    shortest: dict[str, float]
    duplicates: int


def summarize(frames: Frames) -> Summary:
    """Compute the figures of `Summary`."""
    counts = np.bincount(frames.types, minlength=len(frames.type_names))
    per_atom = frames.energy / frames.n_atoms
    net = np.add.reduceat(frames.forces, frames.offsets[:-1], axis=0) / frames.n_atoms[:, None]
    prints = {frames.positions[frames.atoms_of(f)].tobytes() for f in range(len(frames))}
    return Summary(
        n_frames=len(frames),
        n_atoms=len(frames.types),
        elements={name: int(count) for name, count in zip(frames.type_names, counts, strict=True)},
        energy_mean=float(per_atom.mean()),
        energy_std=float(per_atom.std()),
        force_rms=float(np.sqrt((frames.forces**2).mean())),
        force_max=float(np.abs(frames.forces).max()),
        net_force_max=float(np.abs(net).max()),
        has_stress=frames.stress is not None,
        has_velocities=frames.velocities is not None,
        shortest=shortest_distances(frames),
        duplicates=len(frames) - len(prints),
    )


def shortest_distances(frames: Frames, cutoff: float = 5.0) -> dict[str, float]:
    """Shortest distance in Å of each pair of type names ("A-B", alphabetic) over all frames, up to `cutoff`."""
    shortest: dict[str, float] = {}
    for frame in range(len(frames)):
        rows = frames.atoms_of(frame)
        types = frames.types[rows]
        edges, vectors = neighbor_edges(frames.positions[rows], frames.cell[frame], frames.pbc[frame], cutoff)
        _lower(shortest, frames.type_names, types[edges], np.linalg.norm(vectors, axis=1))
    return shortest


def _lower(shortest: dict[str, float], names: tuple[str, ...], pairs: np.ndarray, distances: Floats) -> None:
    codes = pairs.min(axis=0) * len(names) + pairs.max(axis=0)
    for code in np.unique(codes):
        first, second = sorted((names[code // len(names)], names[code % len(names)]))
        key = f"{first}-{second}"
        shortest[key] = min(shortest.get(key, np.inf), float(distances[codes == code].min()))


def require_sane(frames: Frames, origin: str) -> Summary:
    """Summary of labels that can be trained on.

    Raises:
        DataError: all forces zero, atoms on top of each other, or forces of a size no eV/Å label has.
    """
    summary = summarize(frames)
    if summary.force_max == 0.0:
        raise DataError(f"{origin}: every force is zero; were the labels read from the right columns or keys?")
    closest = min(summary.shortest.values(), default=np.inf)
    if closest < 0.3:
        raise DataError(f"{origin}: two atoms are {closest:.3g} Å apart; overlapping atoms or wrong length units")
    return summary
