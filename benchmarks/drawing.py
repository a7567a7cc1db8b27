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
def bars(values: Mapping[str, float], x_label: str) -> Figure:
    """Positive numbers as horizontal bars on a logarithmic axis, the first on top."""
    figure, axes = panel(x_label, "", (5.6, 0.6 + 0.27 * len(values)))
    places = [-float(k) for k in range(len(values))]
    axes.barh(places, list(values.values()), color=[colour(name) for name in values], height=0.7)
    axes.set_yticks(places, list(values))
    axes.set_xscale("log")
    axes.set_xlim(left=min(values.values()) / 2)
    for place, value in zip(places, values.values(), strict=True):
        axes.text(value * 1.06, place, f"{value:,.3g}" if value < 1000 else f"{value:,.0f}", va="center", fontsize=7.5)
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


@styled
def stack(rows: Mapping[str, Mapping[str, float]], x_label: str) -> Figure:
    """Shares that add up to one: one horizontal bar a row, each part named above its piece."""
    figure, axes = panel(x_label, "", (6.4, 0.7 + 0.75 * len(rows)))
    shades = [COLOURS["learned"], "#ee9b51", COLOURS["reference"], "#7d97a8", GREY, "#cfd3d6", "#e8eaeb"]
    for place, parts in enumerate(rows.values()):
        left = 0.0
        for (part, width), shade in zip(parts.items(), shades, strict=False):
            axes.barh(-place, width, left=left, color=shade, height=0.4)
            if width > 0.08:
                axes.text(left + 0.005, 0.24 - place, part, fontsize=7, va="bottom")
            left += width
    axes.set_yticks([-float(place) for place in range(len(rows))], list(rows))
    axes.set(xlim=(0, 1), ylim=(0.5 - len(rows), 0.6))
    return figure
