"""One row of the verdict per question, each with its answer for the learned and for the reference run."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Criterion:
    """A row: texts as they are printed, and whether the learned run passes (None: for information, or not judged)."""

    name: str
    unit: str
    learned: str
    reference: str
    criterion: str
    passed: bool | None


def judge(figures: dict[str, Any], *, drift: float, rdf: float, timestep: float) -> list[Criterion]:
    """All rows, the judged ones first.

    Args:
        figures: `learned`, `reference` (or None), `rdf`, `timestep_law` as `analyze_run` builds them.
        drift: limit of the drift, meV/atom/ps. rdf: of the g(r) error. timestep: of the dt² deviation.
    """
    learned, reference = figures["learned"], figures["reference"] or {}
    rows = [
        _complete(learned, reference),
        _drift(learned, reference, drift),
        *_timestep(figures["timestep_law"], timestep),
        *_structure(figures["rdf"], rdf, bool(reference)),
        _count("Pairs too close", learned, reference, "close_pairs", "count"),
        _count("Frames with broken molecules", learned, reference, "fragments", "n_frames_changed"),
    ]
    information = [
        ("Energy fluctuation", "meV/atom", "energy_fluctuation_meV_per_atom"),
        ("Temperature", "K", "temperature_K"),
        ("Pressure", "bar", "pressure_bar"),
        ("Diffusion coefficient", "Å²/ps", "diffusion_A2_per_ps"),
    ]
    return rows + [
        Criterion(name, unit, format_figure(learned.get(key)), format_figure(reference.get(key)), "", None)
        for name, unit, key in information
    ]


def format_figure(figure: dict[str, float] | float | None) -> str:
    """`90.31 ± 0.42` with two digits of the half interval, three digits of a plain number, a dash for none."""
    if figure is None:
        return "–"
    if not isinstance(figure, dict):
        return f"{figure:.3g}"
    half = 0.5 * (figure["high"] - figure["low"])
    if not (math.isfinite(half) and half > 0.0):
        return f"{figure['value']:.3g}"
    exponent = math.floor(math.log10(half))
    if -5 <= exponent <= 4:
        digits = max(1 - exponent, 0)
        return f"{figure['value']:.{digits}f} ± {half:.{digits}f}"
    scale = 10.0**exponent
    return f"({figure['value'] / scale:.1f} ± {half / scale:.1f})e{exponent:+d}"


def _complete(learned: dict[str, Any], reference: dict[str, Any]) -> Criterion:
    texts = ["–" if not side else side["failure"] or "yes" for side in (learned, reference)]
    return Criterion("Run complete", "", texts[0], texts[1], "all steps done, all numbers finite", learned["complete"])


def _drift(learned: dict[str, Any], reference: dict[str, Any], limit: float) -> Criterion:
    key = "drift_meV_per_atom_per_ps"
    slope = learned[key]
    if not learned["is_conserved_by_construction"]:
        passed, criterion = None, "not judged (see notes)"
    elif slope is None:
        passed, criterion = False, "too few energies to judge (see notes)"
    else:
        passed = abs(slope["value"]) < limit or slope["low"] <= 0.0 <= slope["high"]
        criterion = f"|drift| < {limit:g}, or 0 within the interval"
    return Criterion(
        "Energy drift", "meV/atom/ps", format_figure(slope), format_figure(reference.get(key)), criterion, passed
    )


def _timestep(laws: dict[str, Any], limit: float) -> list[Criterion]:
    """Both runs must obey: a reference that does not has labels at odds with its own forces."""
    given = [law for law in laws.values() if law is not None]
    if not given:
        return []
    texts = [format_figure(law["deviation"] if law else None) for law in (laws["learned"], laws["reference"])]
    passed = all(law["all_complete"] and law["deviation"] is not None and law["deviation"] < limit for law in given)
    return [Criterion("dt² law, deviation", "", texts[0], texts[1], f"both < {limit:g}", passed)]


def _structure(rdf: dict[str, Any], limit: float, has_reference: bool) -> list[Criterion]:
    if not has_reference:
        return []
    if rdf["mae"] is None:
        return [Criterion("g(r), mean absolute error", "", "–", "–", "not judged (see notes)", None)]
    noise = f"noise {format_figure(rdf['noise'])}"
    return [
        Criterion(
            "g(r), mean absolute error", "", format_figure(rdf["mae"]), noise, f"≤ {limit:g}", rdf["mae"] <= limit
        )
    ]


def _count(name: str, learned: dict[str, Any], reference: dict[str, Any], key: str, part: str) -> Criterion:
    """A number of events that must be zero."""
    counts = [side[key][part] if side.get(key) else None for side in (learned, reference)]
    texts = ["–" if count is None else str(count) for count in counts]
    if counts[0] is None:
        return Criterion(name, "", texts[0], texts[1], "not judged (see notes)", None)
    return Criterion(name, "", texts[0], texts[1], "none", counts[0] == 0)
