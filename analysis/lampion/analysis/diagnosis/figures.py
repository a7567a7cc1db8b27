"""Pictures of a diagnosis: arrays in, a matplotlib Figure out."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lampion.analysis.blocks import Estimate
from lampion.analysis.diagnosis.approach import Approach
from lampion.analysis.diagnosis.segments import Segment
from lampion.analysis.figures import COLOURS, GREY, panel, styled

Array = NDArray[np.float64]

_BASE = COLOURS["learned"]
_POINTS = 1000


@styled
def traces(segments: Sequence[Segment]) -> Figure:
    """Shadow energy from its start (meV/atom) against time (ps); the first segment, the run repeated, stands out."""
    figure, axes = panel("time (ps)", "E − E(0) (meV/atom)", (5.2, 3.6))
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    colours = mpl.colormaps["viridis"](np.linspace(0.0, 0.9, max(len(segments) - 1, 1)))
    for colour, one in zip(colours, segments[1:], strict=False):
        _trace(axes, one, colour, 0.9)
    _trace(axes, segments[0], _BASE, 1.6)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7.5)
    return figure


def _trace(axes: Axes, one: Segment, colour: Any, width: float) -> None:
    every = max(1, len(one.time) // _POINTS)
    axes.plot(one.time[::every], one.shadow[::every], color=colour, linewidth=width, label=one.name)


@styled
def drifts(run: Estimate | None, segments: Sequence[Segment]) -> Figure:
    """Drift and its interval (meV/atom/ps) of the run and of every segment."""
    rows = [*([("the run itself", run)] if run else []), *((one.name, one.drift) for one in segments)]
    figure = Figure(figsize=(5.2, 0.9 + 0.3 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for at, (_, drift) in enumerate(rows):
        axes.plot([drift.low, drift.high], [at, at], color=GREY, linewidth=1.6)
        axes.plot(drift.value, at, "o", color=_BASE, markersize=5)
    axes.axvline(0.0, color=GREY, linewidth=0.6)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel("drift (meV/atom/ps)")
    return figure


@styled
def crossing(distance: Array, energy: Array, radius: float) -> Figure:
    """Energy beyond the work of the force (µeV) of a pair pulled through the cutoff (Å)."""
    figure, axes = panel("distance of the pair (Å)", "E + ∫ F·dr (µeV)")
    axes.axvline(radius, color=GREY, linewidth=0.8, linestyle=":")
    axes.plot(distance, 1e6 * energy, "o-", color=_BASE, markersize=3)
    return figure


@styled
def approaches(failures: Sequence[Approach], quantity: str) -> Figure:
    """A curve per failure over its last frames: `forces` (eV/Å), `energy` (meV/atom) or `novelty`."""
    labels = {
        "forces": "error of the forces (eV/Å)",
        "energy": "error of the energy (meV/atom)",
        "novelty": "distance from training / reach",
    }
    figure, axes = panel("time before the failure (fs)", labels[quantity])
    known = [(one, values) for one in failures if (values := getattr(one, quantity)) is not None]
    for one, values in known:
        axes.plot(1000.0 * one.before, np.abs(values), color=_BASE, linewidth=0.9, alpha=0.7)
    axes.axvline(0.0, color=GREY, linewidth=0.6)
    if quantity == "novelty":
        axes.axhline(1.0, color=GREY, linewidth=0.8, linestyle=":")
    if all((np.abs(values[1:]) > 0.0).all() for _, values in known):
        axes.set_yscale("log")
    return figure
