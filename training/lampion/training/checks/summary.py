"""What a set of labelled frames holds: counts, ranges, shortest distances."""

from dataclasses import dataclass

import numpy as np

from lampion.training.checks.duplicates import exact_duplicates
from lampion.training.data.frames import Frames
from lampion.training.data.neighbors import neighbor_edges


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
    """Compute the figures of `Summary`, piece by piece."""
    counts = np.bincount(frames.types, minlength=len(frames.type_names))
    per_atom = np.asarray(frames.energy) / frames.n_atoms
    parts = [_force_figures(chunk) for chunk in frames.chunks()]
    return Summary(
        n_frames=len(frames),
        n_atoms=len(frames.types),
        elements={name: int(count) for name, count in zip(frames.type_names, counts, strict=True)},
        energy_mean=float(per_atom.mean()),
        energy_std=float(per_atom.std()),
        force_rms=float(np.sqrt(sum(part[0] for part in parts) / frames.forces.size)),
        force_max=max(part[1] for part in parts),
        net_force_max=max(part[2] for part in parts),
        has_stress=frames.stress is not None,
        has_velocities=frames.velocities is not None,
        shortest=shortest_distances(frames),
        duplicates=len(exact_duplicates(frames)),
    )


def _force_figures(chunk: Frames) -> tuple[float, float, float]:
    """Sum of squares, largest component, largest net force per atom."""
    net = np.add.reduceat(chunk.forces, chunk.offsets[:-1], axis=0) / chunk.n_atoms[:, None]
    return float((chunk.forces**2).sum()), float(np.abs(chunk.forces).max()), float(np.abs(net).max())


def shortest_distances(frames: Frames, cutoff: float = 5.0) -> dict[str, float]:
    """Shortest distance in Å of each pair of type names ("A-B", alphabetic) over all frames, up to `cutoff`."""
    names = frames.type_names
    shortest = np.full((len(names), len(names)), np.inf)
    for f in range(len(frames)):
        rows = frames.atoms_of(f)
        edges, vectors = neighbor_edges(frames.positions[rows], frames.cell[f], frames.pbc[f], cutoff)
        np.minimum.at(shortest, tuple(frames.types[rows][edges]), np.linalg.norm(vectors, axis=1))
    found = {(a, b): shortest[i, j] for i, a in enumerate(names) for j, b in enumerate(names) if a <= b}
    return {f"{a}-{b}": float(distance) for (a, b), distance in sorted(found.items()) if np.isfinite(distance)}


def largest_torque(frames: Frames) -> float | None:
    """Largest |Σ (r - r0) × F| / n_atoms of frames without periodic boundaries, eV; none if all are periodic."""
    largest = None
    for chunk in frames.chunks():
        alone = np.flatnonzero(~chunk.pbc.any(axis=1))
        if len(alone):
            centre = np.add.reduceat(chunk.positions, chunk.offsets[:-1], axis=0) / chunk.n_atoms[:, None]
            arms = chunk.positions - np.repeat(centre, chunk.n_atoms, axis=0)
            torque = np.add.reduceat(np.cross(arms, chunk.forces), chunk.offsets[:-1], axis=0)
            largest = max(largest or 0.0, float((np.linalg.norm(torque, axis=1) / chunk.n_atoms)[alone].max()))
    return largest
