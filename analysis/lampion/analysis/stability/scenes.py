"""Frames of a failure to be drawn: before it, when it begins, and the last one."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lampion.analysis.stability.bonds import ROUNDING
from lampion.analysis.stability.failure import Failure
from lampion.analysis.stability.folder import Watched
from lampion.analysis.stability.trajectory import Trajectory

_DIGITS = 4


def scenes(watched: Watched, failures: Mapping[int, Failure | None]) -> list[dict[str, Any]]:
    """Three frames of the first failure of every cause whose last frames were kept; positions in Å."""
    found: dict[str, dict[str, Any]] = {}
    for failure in sorted((f for f in failures.values() if f), key=lambda failure: failure.time):
        kept = watched.kept.get(failure.replica)
        if kept is not None and failure.cause.value not in found:
            found[failure.cause.value] = _scene(failure, kept)
    return [scene for scene in found.values() if scene["frames"]]


def _scene(failure: Failure, kept: Trajectory) -> dict[str, Any]:
    good = kept.finite()
    at = int(np.searchsorted(good.time, failure.time - ROUNDING))
    frames = sorted({0, min(at, len(good.time) - 1), len(good.time) - 1}) if len(good.time) else []
    return {
        "replica": failure.replica,
        "cause": failure.cause.value,
        "pair": list(failure.pair),
        "elements": list(kept.elements),
        "frames": [
            {"time_ps": float(good.time[frame]), "positions": good.positions[frame].round(_DIGITS).tolist()}
            for frame in frames
        ],
    }
