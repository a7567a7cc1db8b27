"""The pictures of an evaluation: tables in, a matplotlib Figure out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from lampion.analysis.figures import GREY, panel, styled

#: One colour per data set, the first two those of all other pages.
PALETTE = ("#d9601a", "#1d3f58", "#5b8c5a", "#a24b8c", "#b8960c", "#4a90a4")
Rows = Sequence[Mapping[str, Any]]


def colour_of(index: int) -> str:
    """Colour of a data set by its place."""
    return PALETTE[index % len(PALETTE)]


@styled
def error_by_force(sets: Mapping[str, Rows]) -> Figure:
    """RMSE of the force components (meV/Å) against |F| (eV/Å), from the bins of `error_tables.force_bins`."""
    figure, axes = panel("|F| of the reference (eV/Å)", "force RMSE (meV/Å)")
    for index, (name, bins) in enumerate(sets.items()):
        centers = [np.sqrt(max(b["from_eV_per_A"], b["to_eV_per_A"] / 10) * b["to_eV_per_A"]) for b in bins]
        _line(axes, centers, [b["rmse_meV_per_A"] for b in bins], index, name)
    _finish(axes, logarithmic=True, legend=len(sets) > 1)
    return figure


@styled
def error_by_distance(sets: Mapping[str, Rows], reach: float | None) -> Figure:
    """RMSE of the force components (meV/Å) against the distance from the training set, in tenths of the atoms."""
    figure, axes = panel("distance from the nearest training environment", "force RMSE (meV/Å)")
    for index, (name, bins) in enumerate(sets.items()):
        _line(axes, [b["distance"] for b in bins], [b["rmse_meV_per_A"] for b in bins], index, name)
    if reach is not None:
        axes.axvline(reach, color=GREY, linewidth=0.8, linestyle=":", label="reach of the training set")
    _finish(axes, logarithmic=False, legend=True)
    return figure


@styled
def reliability(calibrations: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Share of labels inside the interval of each level; the diagonal is calibrated, below it overconfident."""
    figure, axes = panel("level of the interval", "share of labels inside", (4.3, 3.9))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.7)
    for index, (name, values) in enumerate(calibrations.items()):
        label = f"{name}: factor {values['factor']:.2f}"
        axes.plot(values["levels"], values["coverage"], color=colour_of(index), label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend()
    return figure


@styled
def spread_and_error(calibrations: Mapping[str, Mapping[str, Any]], unit: str) -> Figure:
    """Error (RMS) against spread (RMS) of a committee in tenths of rising spread."""
    figure, axes = panel(f"spread of the committee ({unit})", f"error of its mean ({unit})", (4.3, 3.9))
    for index, (name, values) in enumerate(calibrations.items()):
        _line(axes, values["bin_spread"], values["bin_rmse"], index, name)
    ends = [value for values in calibrations.values() for value in (*values["bin_spread"], *values["bin_rmse"])]
    positive = [value for value in ends if value > 0.0]
    if positive:
        axes.plot([min(positive), max(positive)], [min(positive), max(positive)], color=GREY, linewidth=0.7)
    _finish(axes, logarithmic=bool(positive), legend=len(calibrations) > 1)
    return figure


@styled
def error_by_size(sets: Mapping[str, Rows]) -> Figure:
    """Energy MAE of whole frames (meV) against their number of atoms."""
    figure, axes = panel("atoms per frame", "energy MAE (meV)")
    for index, (name, rows) in enumerate(sets.items()):
        _line(axes, [row["size"] for row in rows], [row["energy"]["mae_meV"] or np.nan for row in rows], index, name)
    _finish(axes, logarithmic=False, legend=len(sets) > 1)
    return figure


def _line(axes: Axes, x: Sequence[float], y: Sequence[float], index: int, name: str) -> None:
    axes.plot(x, y, "o-", color=colour_of(index), markersize=4, label=name)


def plain_numbers(axis: Axis) -> None:
    """On a logarithmic axis, powers and, where there are few, the steps between them as ordinary numbers."""
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(1.5, 0.4)))


def _finish(axes: Axes, *, logarithmic: bool, legend: bool) -> None:
    if logarithmic:
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            plain_numbers(axis)
    else:
        axes.set_ylim(bottom=0.0)
    if legend:
        axes.legend()
