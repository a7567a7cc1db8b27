"""What a study of many models leaves: one page, one table, and the figures by hyper-parameter."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lampion.analysis.stability.model import JudgedModel, Pool, difference, varied
from lampion.analysis.stability.report import write_stability_report
from lampion.pipeline.grid.config import GridModel
from lampion.pipeline.grid.study import GridStudy, Outcome
from lampion.pipeline.records import write_json
from lampion.training.files import atomic_path

ERRORS = ("energy_mae_meV_per_atom", "forces_mae_meV_per_A")


def conclude(study: GridStudy) -> dict[str, Any]:
    """Write `report.html`, `models.csv` and `study.json` of all models that are finished; returns the latter.

    Without a single verdict there is no page.
    """
    found = [(model, outcome) for model in study.grid.models if (outcome := study.outcome(model))]
    judged = [_judged(study, model, outcome) for model, outcome in found if outcome.kind == "judged"]
    others = {model.name: f"{o.kind}: {o.reason}" for model, o in found if o.kind != "judged"}
    _write_table(study, found, study.folder / "models.csv")
    summary = {
        "title": study.grid.config.title,
        "models": len(study.grid.models),
        "judged": len(judged),
        "not_judged": others,
        "replicas": sum(model.figures["replicas"] for model in judged),
        "by_parameter": by_parameter(judged),
    }
    write_json(study.folder / "study.json", summary)
    if judged:
        write_stability_report(judged, study.folder / "report.html", title=study.grid.config.title, left_out=others)
    return summary


def by_parameter(models: Sequence[JudgedModel]) -> dict[str, dict[str, Any]]:
    """The study's three figures as numbers: hyper-parameter -> value -> failures, time to failure, energy variance.

    `p` is the log-rank probability between the first and the last value.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, pools in varied(models).items():
        found[name] = {str(value): _figures(pooled) for value, pooled in pools.items()}
        found[name]["p"] = difference(list(pools.values()))
    return found


def _figures(pooled: Pool) -> dict[str, Any]:
    return {
        "replicas": len(pooled.failed),
        "failure_probability": pooled.rate.as_dict(),
        "mean_time_ps": pooled.mean_time.as_dict(),
        "energy_variance_eV2": float(np.median(pooled.variances)) if len(pooled.variances) else None,
    }


def lines(summary: dict[str, Any]) -> list[str]:
    """The figures by hyper-parameter, for a terminal."""
    text = [f"{summary['judged']} of {summary['models']} models judged, {len(summary['not_judged'])} not tested"]
    for name, values in summary["by_parameter"].items():
        text.append(f"{name.replace('_', ' ')} (first against last: p = {values['p']:.2g})")
        for value, figures in values.items():
            if value != "p":
                mean = figures["mean_time_ps"]["value"]
                text.append(f"  {value:>6s}  fail: {figures['failure_probability']['text']}, mean time {mean:.3g} ps")
    return text


def _judged(study: GridStudy, model: GridModel, outcome: Outcome) -> JudgedModel:
    errors = {name: outcome.errors[name] for name in ERRORS} if outcome.errors else {}
    return JudgedModel(model.name, study.figures(model), model.parameters, errors)


def _write_table(study: GridStudy, found: Sequence[tuple[GridModel, Outcome]], path: Path) -> None:
    """One line per finished model."""
    names = list(study.grid.config.grid)
    figures = ("replicas", "dropped", "failures")
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["model", *names, "outcome", "reason", *ERRORS, *figures, "low", "high", "mean_time_ps",
                         "median_time_ps", "drift_meV_per_atom_per_ps", "energy_variance_eV2", "seconds"])  # fmt: skip
        for model, outcome in found:
            row = [model.name, *model.parameters.values(), outcome.kind, outcome.reason or ""]
            row += [outcome.errors[name] if outcome.errors else "" for name in ERRORS]
            row += _verdict(study.figures(model)) if outcome.kind == "judged" else [""] * (len(figures) + 6)
            writer.writerow([*row, round(sum(outcome.seconds.values()))])


def _verdict(figures: dict[str, Any]) -> list[Any]:
    probability = figures["failure_probability"]
    estimates = (
        figures[name] for name in ("restricted_mean_time_ps", "median_time_ps", "drift", "energy_variance_eV2")
    )
    counts = [figures["replicas"], figures["dropped"], figures["failures"], probability["low"], probability["high"]]
    return [*counts, *(estimate["value"] if estimate else "" for estimate in estimates)]
