"""The pictures of a stability study: pools of replicas in, a matplotlib Figure out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lampion.analysis.figures import COLOURS, GREY, panel, styled
from lampion.analysis.stability.model import JudgedModel, Pool, Value, difference
from lampion.analysis.stability.survival import Curve, cumulative_incidence

Array = NDArray[np.float64]
#: middle, low, high of what is drawn
Bar = tuple[float, float, float]

CAUSE_COLOURS = (
    "#d9601a", "#1d3f58", "#5b8c5a", "#a24b8c", "#b8960c", "#4a90a4", "#7a4a2b", "#8a8f94", "#c2456b", "#3f7f7a",
    "#6a5acd", "#2a2a2a",
)  # fmt: skip
_SORTS = {"failed": COLOURS["learned"], "worst": COLOURS["reference"], "typical": "#7fa6bd"}


@styled
def survival(pools: Mapping[Value, Pool], label: str = "") -> Figure:
    """Share of replicas that still hold against time, with 95 % bands; one curve per value of `label`."""
    figure, axes = panel("time (ps)", "share of replicas that hold")
    colours = _shades(len(pools))
    for colour, (value, pooled) in zip(colours, pools.items(), strict=True):
        _step(axes, pooled.curve, pooled.horizon, colour, f"{label} {value}".strip())
    horizon = max(pooled.horizon for pooled in pools.values())
    axes.set(xlim=(0.0, horizon or None), ylim=(0.0, 1.02))  # 0: all failed at once
    if len(pools) > 1:
        title = f"first against last: p = {difference(list(pools.values())):.2g}"
        axes.legend(loc="lower left", title=title, title_fontsize=8, fontsize=8)
    return figure


def _step(axes: Axes, curve: Curve, horizon: float, colour: Any, label: str) -> None:
    time = np.append(curve.time, horizon)
    value, low, high = (np.append(part, part[-1]) for part in (curve.value, curve.low, curve.high))
    axes.fill_between(time, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
    axes.step(time, value, where="post", color=colour, label=label)


def failure_rate(varied: Mapping[str, Mapping[Value, Pool]]) -> Figure:
    """Share of replicas that fail (%) by hyper-parameter, with exact intervals."""

    def bar(pooled: Pool) -> Bar:
        rate = pooled.rate
        return 100 * rate.value, 100 * rate.low, 100 * rate.high

    return _by_parameter(varied, bar, "replicas that fail (%)")


def mean_time(varied: Mapping[str, Mapping[Value, Pool]]) -> Figure:
    """Mean time to failure within the run (ps) by hyper-parameter."""

    def bar(pooled: Pool) -> Bar:
        mean = pooled.mean_time
        return mean.value, mean.low, mean.high

    return _by_parameter(varied, bar, "mean time to failure (ps)")


def energy_variance(varied: Mapping[str, Mapping[Value, Pool]]) -> Figure:
    """Variance of the total energy of survivors (eV²) by hyper-parameter: median and quartiles over the models."""

    def bar(pooled: Pool) -> Bar:
        if len(pooled.variances) == 0:
            return (np.nan,) * 3
        low, middle, high = np.quantile(pooled.variances, (0.25, 0.5, 0.75))
        return float(middle), float(low), float(high)

    return _by_parameter(varied, bar, "variance of the energy (eV²)", logarithmic=True)


@styled
def error_against_failure(models: Sequence[JudgedModel], error: str) -> Figure:
    """Share of replicas that fail (%) against a test error, one point with its interval per model that has both."""
    figure, axes = panel(error.replace("_", " ").replace(" per A", "/Å"), "replicas that fail (%)")
    known = [model for model in models if error in model.errors]
    x = [model.errors[error] for model in known]
    rates = [model.figures["failure_probability"] for model in known]
    low, middle, high = (np.array([100 * rate[end] for rate in rates]) for end in ("low", "value", "high"))
    axes.vlines(x, low, high, color=GREY, linewidth=1.0)
    axes.plot(x, middle, "o", color=COLOURS["learned"], markersize=5)
    axes.set_xscale("log")
    axes.set_ylim(-2.0, 102.0)
    return figure


@styled
def _by_parameter(
    varied: Mapping[str, Mapping[Value, Pool]], bar: Callable[[Pool], Bar], label: str, *, logarithmic: bool = False
) -> Figure:
    """One small panel per hyper-parameter, its values at equal distances, all on one scale."""
    figure = Figure(figsize=(max(3.0, 1.9 * len(varied) + 0.8), 2.9), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(varied), sharey=True))
    for axes, (name, pools) in zip(panels, varied.items(), strict=True):
        middle, low, high = np.array([bar(pooled) for pooled in pools.values()]).T
        at = np.arange(len(pools))
        axes.vlines(at, low, high, color=GREY, linewidth=1.4)
        axes.plot(at, middle, "o", color=COLOURS["learned"], markersize=5)
        axes.set_xticks(at, [str(value) for value in pools])
        axes.set(xlabel=name.replace("_", " "), xlim=(-0.5, len(pools) - 0.5))
        axes.grid(axis="y", alpha=0.25, linewidth=0.5)
    panels[0].set_ylabel(label)
    if logarithmic:
        panels[0].set_yscale("log")
    else:
        panels[0].set_ylim(bottom=0.0)
    return figure


@styled
def incidence(pooled: Pool) -> Figure:
    """Share of replicas lost to every cause against time, stacked; the white above is what still holds."""
    figure, axes = panel("time (ps)", "share of replicas that failed")
    curves = cumulative_incidence(pooled.time, pooled.cause)
    ordered = sorted(curves, key=lambda cause: -curves[cause][1][-1])
    time = np.append(next(iter(curves.values()))[0], pooled.horizon)
    below = np.zeros(len(time))
    for cause, colour in zip(ordered, CAUSE_COLOURS, strict=False):
        value = np.append(curves[cause][1], curves[cause][1][-1])
        label = f"{cause}, {100 * value[-1]:.1f} %"
        axes.fill_between(time, below, below + value, step="post", color=colour, linewidth=0, alpha=0.85, label=label)
        below = below + value
    axes.set(xlim=(0.0, pooled.horizon or None), ylim=(0.0, min(1.0, 1.35 * float(below.max()))))
    axes.legend(loc="upper left", fontsize=8)
    return figure


@styled
def energy_traces(traces: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Total energy from its start (meV/atom): the first to fail, the worst and typical survivors.

    Logarithmic beyond what nine tenths of the samples keep to, if any go far beyond: an explosion flattens the rest.
    """
    figure, axes = panel("time (ps)", "E − E(0) (meV/atom)", (5.2, 3.4))
    for sort, several in traces.items():
        colour, zorder = _SORTS[sort], 2 if sort == "typical" else 1
        for number, trace in enumerate(several):
            time, energy = trace["time_ps"], trace["energy_meV_per_atom"]
            label = sort if number == 0 else None
            axes.plot(time, energy, color=colour, linewidth=0.9, alpha=0.85, label=label, zorder=zorder)
            if sort == "failed":
                axes.plot(time[-1:], energy[-1:], "x", color=colour, markersize=5)
    size = np.abs([e for several in traces.values() for trace in several for e in trace["energy_meV_per_atom"]])
    usual = float(np.quantile(size, 0.9)) if len(size) else 0.0
    if usual > 0.0 and size.max() > 10.0 * usual:
        axes.set_yscale("symlog", linthresh=10.0 ** np.ceil(np.log10(usual)), linscale=2.0)
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    if any(traces.values()):
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2)
    return figure


@styled
def causes(counts: Mapping[str, Mapping[str, int]], replicas: Mapping[str, int]) -> Figure:
    """Failures by cause, one bar per model, in % of its replicas.

    Args:
        counts: model -> cause -> number. replicas: model -> number.
    """
    names = sorted({cause for found in counts.values() for cause in found})
    figure = Figure(figsize=(5.2, 1.2 + 0.28 * len(counts)), layout="constrained")
    axes = figure.add_subplot()
    left = np.zeros(len(counts))
    for cause, colour in zip(names, CAUSE_COLOURS, strict=False):
        share = np.array([100 * counts[model].get(cause, 0) / replicas[model] for model in counts])
        axes.barh(list(counts), share, left=left, color=colour, height=0.7, label=cause)
        left += share
    axes.invert_yaxis()
    axes.set_xlabel("replicas that fail (%)")
    axes.tick_params(axis="y", labelsize=7.5, length=0)
    if names:
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, fontsize=7.5, borderaxespad=0.2)
    return figure


def _shades(n: int) -> list[Any]:
    """From pale to dark: values have an order."""
    ember = mpl.colors.LinearSegmentedColormap.from_list("ember", ["#eab676", COLOURS["learned"], "#7a2b1d", "#1d1015"])
    return [COLOURS["learned"]] if n == 1 else [ember(x) for x in np.linspace(0.0, 1.0, n)]
