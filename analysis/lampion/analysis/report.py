"""A page a physicist reads: verdict, pictures, definitions; one file without a network or a script."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lampion.analysis import figures
from lampion.analysis.files import write_atomically
from lampion.analysis.page import Picture, picture, render
from lampion.analysis.study import read_metrics, read_parity
from lampion.analysis.verdict import verdict_table


def write_report(
    analysis: dict[str, Any],
    path: Path,
    *,
    title: str = "Molecular dynamics with a learned potential",
    metrics: Path | None = None,
    parity: Path | None = None,
    seconds: Mapping[str, float] | None = None,
) -> None:
    """Write `report.html`.

    Args:
        analysis: what `analyze_run` returned, or `analysis.json` read back.
        metrics: `metrics.jsonl` of the training, for the learning curve.
        parity: `parity.npz` of the test set: `energy_reference`, `energy_predicted` (n,) eV/atom,
            `forces_reference`, `forces_predicted` (m, 3) eV/Å.
        seconds: stage -> wall time.
    Raises:
        RunError: a file given here is missing or not of its format.
    """
    drawn = [*_study_pictures(metrics, parity), *_run_pictures(analysis)]
    page = render(
        "lampion.analysis",
        "report.html.j2",
        title=title,
        analysis=analysis,
        rows=verdict_table(analysis),
        pictures=drawn,
        seconds=dict(seconds or {}),
    )
    write_atomically(path, page)


def _run_pictures(analysis: dict[str, Any]) -> Iterator[Picture]:
    """Pictures of the runs, from the curves in the analysis."""
    sides = {side: analysis[side] for side in ("learned", "reference") if analysis[side]}
    yield picture(
        "Energy conservation",
        "Conserved energy per atom from its first value.",
        figures.energy(_curves(sides, "energy_curve")),
    )
    laws = {side: law for side, law in analysis["timestep_law"].items() if law and law["time_step_ps"]}
    if laws:
        yield picture("The dt² law", "Fluctuation of the energy against the time step.", figures.timestep(laws))
    for pair, curve in analysis["rdf"]["learned"].items():
        both = {"learned": curve}
        if pair in analysis["rdf"]["reference"]:
            both["reference"] = analysis["rdf"]["reference"][pair]
        yield picture(
            f"Structure, {pair}",
            "Pair distribution; bands are 95 % intervals. Below: the difference.",
            figures.structure(both, pair),
        )
    if any(figures_of["msd_curve"] for figures_of in sides.values()):
        yield picture(
            "Diffusion",
            "Mean-square displacement, averaged over atoms and time origins.",
            figures.displacement(_curves(sides, "msd_curve")),
        )
    if any(figures_of["temperature_curve"] for figures_of in sides.values()):
        yield picture(
            "Temperature",
            "Instantaneous kinetic temperature.",
            figures.temperature(_curves(sides, "temperature_curve")),
        )


def _study_pictures(metrics: Path | None, parity: Path | None) -> Iterator[Picture]:
    """Pictures of training and test set."""
    if parity is not None:
        arrays = read_parity(parity)
        yield picture(
            "Energies", "Predicted against reference energies of the test set.",
            figures.parity_energy(arrays["energy_reference"], arrays["energy_predicted"]),
        )  # fmt: skip
        yield picture(
            "Forces", "Predicted against reference force components of the test set.",
            figures.parity_forces(arrays["forces_reference"].ravel(), arrays["forces_predicted"].ravel()),
        )  # fmt: skip
    if metrics is not None:
        yield picture(
            "Learning curve", "Errors on training and validation frames.", figures.learning(read_metrics(metrics))
        )


def _curves(sides: dict[str, Any], key: str) -> figures.Curves:
    """side -> (x, y) of one curve, where the side has it."""
    return {side: _columns(values[key]) for side, values in sides.items() if values[key]}


def _columns(curve: Mapping[str, list[float]]) -> tuple[figures.Array, figures.Array]:
    x, y = (np.array(values, dtype=np.float64) for values in curve.values())
    return x, y
