"""Pictures of the suite, in the look of all of Lampion's."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from lampion.analysis.figures import COLOURS, GREY, panel, styled

Curve = tuple[Sequence[float], Sequence[float]]


def colour(name: str) -> str:
    """Of a thing by its name: ours, another learned potential's, or native code's."""
    if name.startswith(("mace", "DeePMD", "ASE")):
        return COLOURS["reference"]
    return GREY if name.startswith("lj") else COLOURS["learned"]


@styled
def bars(values: Mapping[str, float], x_label: str, *, logarithmic: bool = True) -> Figure:
    """Positive numbers as horizontal bars, the first on top."""
    figure, axes = panel(x_label, "", (5.6, 0.6 + 0.27 * len(values)))
    places = [-float(k) for k in range(len(values))]
    axes.barh(places, list(values.values()), color=[colour(name) for name in values], height=0.7)
    axes.set_yticks(places, list(values))
    if logarithmic:
        axes.set_xscale("log")
        axes.set_xlim(left=min(values.values()) / 2)
    for place, value in zip(places, values.values(), strict=True):
        axes.annotate(
            f"{value:,.3g}" if value < 1000 else f"{value:,.0f}",
            (value, place),
            (3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
        )
    axes.tick_params(left=False)
    axes.spines["left"].set_visible(False)
    return figure


@styled
def curves(lines: Mapping[str, Curve], x_label: str, y_label: str, *, y_from_zero: bool = False) -> Figure:
    """Points joined by lines on logarithmic axes; `y_from_zero`: only x is logarithmic."""
    figure, axes = panel(x_label, y_label)
    shades = [COLOURS["learned"], COLOURS["reference"], GREY, "#b8894a"]
    for (name, (x, y)), shade in zip(lines.items(), shades, strict=False):
        axes.plot(x, y, "o-", color=shade, markersize=4, label=name)
    axes.set_xscale("log")
    if y_from_zero:
        axes.set_ylim(bottom=0.0)
    else:
        axes.set_yscale("log")
    if len(lines) > 1:
        axes.legend()
    return figure


@styled
def panels(groups: Mapping[str, Curve], y_label: str) -> Figure:
    """One small pair of axes per group, its name below, a common scale at the side."""
    figure = Figure(figsize=(1.75 * len(groups) + 0.6, 2.5), layout="constrained")
    for axes, (name, (x, y)) in zip(figure.subplots(1, len(groups), sharey=True), groups.items(), strict=True):
        axes.plot(x, y, "o-", color=COLOURS["learned"], markersize=4)
        axes.set_xlabel(name)
        axes.set(xlim=(0, None), ylim=(0, None))
    figure.axes[0].set_ylabel(y_label)
    return figure
