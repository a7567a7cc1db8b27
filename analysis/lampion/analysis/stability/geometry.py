"""When a replica first breaks a definition by its positions, and its forces where they are known."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lampion.analysis.stability.bonds import BondGraph
from lampion.analysis.stability.causes import excursion_cause
from lampion.analysis.stability.definition import Definition
from lampion.analysis.stability.failure import Cause, Failure
from lampion.analysis.stability.trajectory import Trajectory

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def geometry_failures(replica: int, trajectory: Trajectory, definition: Definition) -> Iterator[Failure]:
    """First failure by every criterion: non-finite, force, gradient, collision, bond graph, bond length, hydrogen.

    Args:
        trajectory: one replica; its first frame is the start: a molecule at rest or nearly so.
    """
    n = trajectory.n_finite()
    if n < len(trajectory.time):
        yield Failure(replica, float(trajectory.time[n]), Cause.EXPLOSION, "nonfinite")
    if n > 0:
        good = trajectory.first(n)
        yield from _force_failures(replica, good, definition)
        yield from _pair_failures(replica, good, definition)


def _force_failures(replica: int, trajectory: Trajectory, definition: Definition) -> Iterator[Failure]:
    if trajectory.forces is None:
        return
    norm = np.linalg.norm(trajectory.forces, axis=2)
    for criterion, limit, value in (
        ("force", definition.force, norm.max(axis=1)),
        ("gradient", definition.gradient, np.linalg.norm(norm, axis=1)),
    ):
        if limit is not None and (value > limit).any():
            at = int((value > limit).argmax())
            yield Failure(replica, float(trajectory.time[at]), Cause.EXPLOSION, criterion, value=float(value[at]))


def _pair_failures(replica: int, trajectory: Trajectory, definition: Definition) -> Iterator[Failure]:
    graph = BondGraph(trajectory, definition)
    r = graph.distances

    def failure(at: int, pair: int, cause: Cause, criterion: str) -> Failure:
        i, j = (int(atom) + 1 for atom in graph.pairs[pair])
        return Failure(replica, float(trajectory.time[at]), cause, criterion, (i, j), float(r[at, pair]))

    if definition.distance is not None and (hit := _first(r < definition.distance * graph.radii)):
        yield failure(*hit, Cause.COLLISION, "distance")
    if definition.bonds and (event := graph.first_event()):
        cause = excursion_cause(graph, event, trajectory.elements)
        yield failure(event.first, graph.index(event.pair), cause, "bonds")
    if definition.bond_deviation is not None:
        away = graph.bonded & (np.abs(r - r[0]) > definition.bond_deviation)
        if hit := _first(away):
            yield failure(*hit, Cause.BOND_LENGTH, "bond length")
    if definition.hydrogen is not None and (loose := _loose_hydrogen(trajectory, graph, definition.hydrogen)):
        yield failure(*loose, Cause.HYDROGEN_LOSS, "hydrogen")


def _first(flags: Mask) -> tuple[int, int] | None:
    """Row and column of the first row with a True, or None."""
    rows = flags.any(axis=1)
    if not rows.any():
        return None
    at = int(rows.argmax())
    return at, int(flags[at].argmax())


def _loose_hydrogen(trajectory: Trajectory, graph: BondGraph, limit: float) -> tuple[int, int] | None:
    """Frame from which a hydrogen stays farther than `limit` from all heavier atoms until the end, and its bond."""
    is_h = np.array([name == "H" for name in trajectory.elements])
    found = []
    for pair in np.flatnonzero(graph.bonded & (is_h[graph.pairs].sum(axis=1) == 1)):
        (h,) = (atom for atom in graph.pairs[pair] if is_h[atom])
        partners = (graph.pairs == h).any(axis=1) & (is_h[graph.pairs].sum(axis=1) == 1)
        away = graph.distances[:, partners].min(axis=1) > limit
        if away[-1]:
            found.append((int(np.flatnonzero(np.concatenate([[True], ~away]))[-1]), int(pair)))
    return min(found, default=None)
