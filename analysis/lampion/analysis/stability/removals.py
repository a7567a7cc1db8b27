"""Why the watch took a replica out, typed by the last frames it kept."""

from dataclasses import replace

import numpy as np

from lampion.analysis.fragments import radius_sums
from lampion.analysis.stability.bonds import ROUNDING, BondGraph, Excursion
from lampion.analysis.stability.causes import OF_KIND, excursion_cause, removal_cause
from lampion.analysis.stability.definition import Definition
from lampion.analysis.stability.failure import Cause, Failure
from lampion.analysis.stability.records import Header, Removal
from lampion.analysis.stability.trajectory import Trajectory


def removal_failure(
    removal: Removal, time: float, header: Header, kept: Trajectory | None, definition: Definition
) -> Failure:
    """The failure of a row of the failures file.

    Args:
        time: of its step, ps from the start. kept: last frames of the replica, None if there are none.
    """
    finite = kept.finite() if kept else None
    failure = Failure(removal.replica, time, Cause.UNKNOWN, removal.kind, removal.pair, removal.value)
    if removal.kind == "bonds":
        return replace(failure, cause=_bond_cause(failure, header.elements, finite, definition))
    return replace(failure, cause=OF_KIND[removal.kind], precursor=_precursor(finite, definition))


def _bond_cause(failure: Failure, elements: tuple[str, ...], kept: Trajectory | None, definition: Definition) -> Cause:
    """The graph at the start is that of the kept frames before the excursion, the named pair as the watch knew it."""
    pair = (failure.pair[0] - 1, failure.pair[1] - 1)
    radii = radius_sums(np.array(elements))[pair]
    is_broken = bool(failure.value > definition.bonded * radii)
    if kept is None or not (kept.time >= failure.time - ROUNDING).any():
        return removal_cause(pair, is_broken, elements)
    first = int(np.searchsorted(kept.time, failure.time - ROUNDING))
    graph = BondGraph(kept, definition, n_first=max(first, 1))
    graph.bonded[graph.index(pair)] = is_broken
    return excursion_cause(graph, Excursion(pair, first, len(kept.time) - 1, is_broken, True), elements)


def _precursor(kept: Trajectory | None, definition: Definition) -> Cause | None:
    """Type of the bond change under way in the last frame, against the graph of the first half of them."""
    if kept is None or len(kept.time) < 2 or not definition.bonds:
        return None
    graph = BondGraph(kept, definition, n_first=len(kept.time) // 2)
    excursion = graph.under_way()
    return excursion_cause(graph, excursion, kept.elements) if excursion else None
