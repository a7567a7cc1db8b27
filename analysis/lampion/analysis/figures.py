"""The pictures of the report: arrays in, a matplotlib Figure out. No window, no global state."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

Array = NDArray[np.float64]
Curves = Mapping[str, tuple[Array, Array]]
P = ParamSpec("P")

COLOURS = {"learned": "#d9601a", "reference": "#1d3f58"}
GREY = "#8a8f94"
_MANY = 2000  # points above which dots hide one another
_STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.linewidth": 0.7,
    "axes.labelcolor": "#222222",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.direction": "out",
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "lampion",
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "savefig.bbox": "tight",  # equal axes beside a colour bar otherwise lose their label
}


def style() -> AbstractContextManager[None]:
    """The look of all pictures; also needed while a figure is saved."""
    return mpl.rc_context(_STYLE)


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorator: draw in the look of all pictures."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style():
            return draw(*args, **kwargs)

    return drawn


def _plot_sides(axes: Axes, curves: Curves, **kwargs: Any) -> None:
    """The reference below, the learned run above it."""
    for side in sorted(curves, reverse=True):
        axes.plot(*curves[side], color=COLOURS[side], label=side, **kwargs)
    if len(curves) > 1:
        # Above the axes: noisy curves fill every corner inside.
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)


def panel(x_label: str, y_label: str, size: tuple[float, float] = (5.2, 3.2)) -> tuple[Figure, Axes]:
    """A figure with one pair of labelled axes; size in inches."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return figure, axes


@styled
def energy(curves: Curves) -> Figure:
    """Energy per atom (meV in, shown in µeV where that reads better) against time (ps), from their first values."""
    largest = max(float(np.abs(y).max()) for _, y in curves.values())
    factor, unit = (1000.0, "µeV") if largest < 0.1 else (1.0, "meV")
    figure, axes = panel("time (ps)", f"E − E(0) ({unit}/atom)")
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    _plot_sides(axes, {side: (x, factor * y) for side, (x, y) in curves.items()}, alpha=0.9, linewidth=1.0)
    return figure


@styled
def temperature(curves: Curves) -> Figure:
    """Temperature (K) against time (ps)."""
    figure, axes = panel("time (ps)", "T (K)")
    _plot_sides(axes, curves, alpha=0.9, linewidth=1.0)
    return figure


@styled
def displacement(curves: Curves) -> Figure:
    """Mean-square displacement (Å²) against lag (ps)."""
    figure, axes = panel("lag (ps)", "mean-square displacement (Å²)")
    _plot_sides(axes, curves)
    axes.set_xlim(left=0.0)
    axes.set_ylim(bottom=0.0)
    return figure


@styled
def structure(curves: Mapping[str, Mapping[str, list[float]]], pair: str) -> Figure:
    """g(r) with 95 % bands; below it, if there are two, learned minus reference.

    Args:
        curves: side -> `r_A`, `g`, `error` lists of equal length.
    """
    figure = Figure(figsize=(5.2, 3.9 if len(curves) > 1 else 3.2), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(3, 1)) if len(curves) > 1 else figure.add_gridspec(1, 1)
    axes = figure.add_subplot(grid[0])
    for side in sorted(curves, reverse=True):
        r, g, error = (np.array(curves[side][key]) for key in ("r_A", "g", "error"))
        axes.fill_between(r, g - error, g + error, color=COLOURS[side], alpha=0.2, linewidth=0)
        axes.plot(r, g, color=COLOURS[side], label=side)
    axes.axhline(1.0, color=GREY, linewidth=0.6, linestyle=":")
    axes.set_ylabel(f"g(r), {pair}")
    axes.set_xlim(0.0, r[-1])
    axes.set_ylim(bottom=0.0)
    if len(curves) > 1:
        axes.legend(loc="upper right")
        axes.tick_params(labelbottom=False)
        axes = _difference(figure.add_subplot(grid[1], sharex=axes), curves)
    axes.set_xlabel("r (Å)")
    return figure


def _difference(axes: Axes, curves: Mapping[str, Mapping[str, list[float]]]) -> Axes:
    learned, reference = curves["learned"], curves["reference"]
    r, difference = np.array(learned["r_A"]), np.array(learned["g"]) - np.array(reference["g"])
    error = np.hypot(learned["error"], reference["error"])
    axes.fill_between(r, -error, error, color=GREY, alpha=0.25, linewidth=0)
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    axes.plot(r, difference, color=COLOURS["learned"], linewidth=1.0)
    axes.set_ylabel("Δg")
    return axes


@styled
def parity_energy(reference: Array, predicted: Array) -> Figure:
    """Energies per atom, eV/atom in, shown in meV/atom about the mean of the reference."""
    origin = reference.mean()
    return _parity(
        (reference - origin) * 1000.0, (predicted - origin) * 1000.0, "energy − mean", "meV/atom", "meV/atom", 1.0
    )


@styled
def parity_forces(reference: Array, predicted: Array) -> Figure:
    """Force components, eV/Å."""
    return _parity(reference, predicted, "force", "eV/Å", "meV/Å", 1000.0)


def _parity(reference: Array, predicted: Array, name: str, unit: str, error_unit: str, factor: float) -> Figure:
    """Predicted against reference about the diagonal, with mean absolute and root-mean-square error."""
    figure, axes = panel(f"reference {name} ({unit})", f"predicted {name} ({unit})", (4.9, 3.9))
    low, high = min(reference.min(), predicted.min()), max(reference.max(), predicted.max())
    margin = 0.04 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=GREY, linewidth=0.7)
    if len(reference) > _MANY:
        dense = axes.hexbin(
            reference, predicted, gridsize=90, bins="log", cmap=_ember(), mincnt=1, linewidths=0, rasterized=True
        )
        figure.colorbar(dense, ax=axes, label="components per cell", shrink=0.75, aspect=28)
    else:
        axes.plot(reference, predicted, "o", color=COLOURS["learned"], markersize=3.2, alpha=0.6, markeredgewidth=0)
    error = (predicted - reference) * factor
    mae, rmse = np.abs(error).mean(), np.sqrt((error**2).mean())
    text = f"MAE {mae:.3g} {error_unit}\nRMSE {rmse:.3g} {error_unit}\nn = {len(error):,}"
    axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top", fontsize=8.5, linespacing=1.5)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.locator_params(nbins=5)
    _error_histogram(axes, error, error_unit)
    return figure


def _error_histogram(axes: Axes, error: Array, unit: str) -> None:
    """The errors in the empty corner below the diagonal, where the eye can see what the diagonal hides."""
    inset = axes.inset_axes((0.62, 0.16, 0.34, 0.2))
    reach = float(np.quantile(np.abs(error), 0.999)) or 1.0
    inset.hist(error, bins=41, range=(-reach, reach), color=COLOURS["learned"], alpha=0.8)
    inset.spines["left"].set_visible(False)
    inset.set_yticks([])
    inset.tick_params(labelsize=6.5)
    inset.set_xlabel(f"error ({unit})", fontsize=7, labelpad=1)


def _ember() -> mpl.colors.Colormap:
    return mpl.colors.LinearSegmentedColormap.from_list(
        "ember", ["#f6d9bd", "#ee9b51", COLOURS["learned"], "#7a2b1d", "#2a0f14"]
    )


@styled
def learning(metrics: Mapping[str, Array]) -> Figure:
    """Energy and force errors of training (thin) and validation (thick) against the optimiser step."""
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    for axes, (quantity, key, unit) in zip(
        figure.subplots(2, 1, sharex=True),
        (("forces", "meV_per_A", "meV/Å"), ("energy", "meV_per_atom", "meV/atom")),
        strict=True,
    ):
        for part, width, colour in (("train", 0.9, GREY), ("valid", 1.6, COLOURS["learned"])):
            errors = metrics.get(f"{part}_{quantity}_mae_{key}")
            if errors is not None:
                axes.semilogy(metrics["step"], errors, color=colour, linewidth=width, label=part)
        axes.set_ylabel(f"{quantity} MAE ({unit})")
        axes.grid(alpha=0.2, which="both", linewidth=0.4)
        if axes.lines:
            axes.legend()
    axes.set_xlabel("optimiser step")
    return figure


@styled
def timestep(laws: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Energy fluctuation against time step, log-log, with guides of slope 2 through each largest step.

    Args:
        laws: side -> `time_step_ps`, `fluctuation_meV_per_atom` (falling steps), `deviation`.
    """
    figure, axes = panel("time step (fs)", "rms of E (meV/atom)", (4.6, 3.6))
    for side in sorted(laws, reverse=True):
        step = 1000.0 * np.array(laws[side]["time_step_ps"])
        rms = np.array(laws[side]["fluctuation_meV_per_atom"])
        axes.loglog(step, rms[0] * (step / step[0]) ** 2, color=GREY, linestyle=":", linewidth=1.0)
        axes.loglog(
            step,
            rms,
            "o-",
            color=COLOURS[side],
            markersize=4.5,
            label=f"{side}, deviation {laws[side]['deviation']:.2g}",
        )
    axes.plot([], [], color=GREY, linestyle=":", label="slope 2")
    axes.set_xticks(step, [f"{s:g}" for s in step])
    axes.minorticks_off()
    axes.legend()
    return figure
