"""A molecule drawn at three moments of its failure, seen along the direction it is thinnest in."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from lampion.analysis.figures import styled
from lampion.analysis.fragments import BOND_FACTOR, radius_sums

Array = NDArray[np.float64]

_MARK = "#b3261e"
_BALL = 0.5  # of the covalent radius


@styled
def snapshots(scene: Mapping[str, Any]) -> Figure:
    """The frames of a scene side by side on one scale; the pair that failed is dashed.

    Args:
        scene: `elements`, `pair` (1 the first, 0 none), `frames` with `time_ps` and `positions` (n_atoms, 3) Å.
    """
    frames = [np.array(frame["positions"]) for frame in scene["frames"]]
    centre, axes_of_view = _view(frames[0])
    seen = [(positions - centre) @ axes_of_view.T for positions in frames]
    figure = Figure(figsize=(2.3 * len(frames), 2.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(frames)))
    reach = max(float(np.abs(positions[:, :2]).max()) for positions in seen) + 0.45
    reach = min(reach, 4.0 * (float(np.abs(seen[0][:, :2]).max()) + 0.45))
    for axes, positions, frame in zip(panels, seen, scene["frames"], strict=True):
        _draw(axes, positions, scene["elements"], scene["pair"])
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        axes.set_axis_off()
        axes.set_title(f"{frame['time_ps']:.3f} ps", fontsize=8.5)
    return figure


def _view(positions: Array) -> tuple[Array, Array]:
    """Centre, and the principal axes, the thinnest last."""
    centre = positions.mean(axis=0)
    _, _, axes = np.linalg.svd(positions - centre)
    return centre, axes


def _draw(axes: Axes, positions: Array, elements: list[str], pair: list[int]) -> None:
    radii = covalent_radii[[atomic_numbers[name] for name in elements]]
    order = positions[:, 2].argsort()
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    bonded = distance < BOND_FACTOR * radius_sums(np.array(elements))
    layer = np.empty(len(elements))
    layer[order] = np.arange(len(elements))
    for i, j in np.argwhere(np.triu(bonded, 1)):
        axes.plot(*positions[[i, j], :2].T, color="#9aa0a6", linewidth=4, zorder=min(layer[i], layer[j]) - 0.5,
                  solid_capstyle="round")  # fmt: skip
    for (x, y), radius, name, z in zip(positions[:, :2].tolist(), radii, elements, layer, strict=True):
        colour = jmol_colors[atomic_numbers[name]]
        axes.add_patch(Circle((x, y), _BALL * radius, facecolor=colour, edgecolor="#333333", linewidth=0.7, zorder=z))
    if min(pair) > 0:
        ends = positions[[atom - 1 for atom in pair], :2]
        axes.plot(*ends.T, color=_MARK, linewidth=1.3, linestyle="--", zorder=len(elements) + 1)
