"""One page for a study of one or many models: how often, when, how and why replicas fail."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lampion.analysis.files import write_atomically
from lampion.analysis.page import Picture, picture, render
from lampion.analysis.stability import figures
from lampion.analysis.stability.control import against
from lampion.analysis.stability.model import JudgedModel, difference, pool, varied
from lampion.analysis.stability.snapshots import snapshots

MAX_BARS = 40
_MAX_CURVES = 8
#: the test error that is drawn against failures
FORCE_ERROR = "forces_mae_meV_per_A"

DEFINITIONS = {
    "failure": "The first of: an energy, force or position that is no number; a force, temperature, distance or drift "
    "of the energy beyond its limit; a lasting change of the bond graph; a lost atom. The first cause counts.",
    "probability": "Share of replicas that failed within the run, with the exact interval of Clopper and Pearson.",
    "survival": "Kaplan-Meier estimate with pointwise log-log bands; where nothing has failed yet the band is that of "
    "no failure in so many replicas.",
    "median time": "Time by which half of the replicas failed; a dash where fewer did.",
    "mean time": "Mean time to failure within the run: the area under the survival curve up to its end.",
    "share by cause": "Aalen-Johansen estimate: the causes compete, and their shares and the survivors add up to one.",
    "drift": "Slope of the total energy of a replica (Theil and Sen): median over the replicas that ran to the end, "
    "and the distribution-free interval of that median.",
    "variance": "Variance of the total energy of a replica over its run: median over the replicas that ran to the end.",
    "p": "Log-rank probability of curves so different if both models failed alike.",
}


def write_stability_report(
    models: Sequence[JudgedModel],
    path: Path,
    *,
    title: str = "How learned dynamics fail",
    left_out: Mapping[str, str] | None = None,
    control: JudgedModel | None = None,
) -> None:
    """Write the page, which needs no other file and no network.

    Pooled over models, intervals take replicas for independent: where models of one value differ among themselves,
    they are too narrow, and the page says so.

    Args:
        left_out: models of the study that were not run, and why.
        control: the reference surface, run from the same starts as the one model there is; the page sets them side by
            side.

    Raises:
        ValueError: no models.
    """
    if not models:
        raise ValueError("a report needs at least one judged model")
    ordered = sorted(models, key=lambda model: model.figures["failure_probability"]["value"])
    best = pool(ordered[:1])
    compared = [*ordered, control] if control else ordered
    drawn = [*_survival_pictures(compared), *_study_pictures(ordered), *_cause_pictures(ordered), *_traces(ordered)]
    text = render(
        "lampion.analysis.stability",
        "stability.html.j2",
        title=title,
        rows=[_row(model, difference([best, pool([model])])) for model in ordered],
        parameters=list(dict.fromkeys(name for model in models for name in model.parameters)),
        control=_control(ordered[0], control) if control else None,
        total=pool(ordered).rate.text,
        n_models=len(models),
        left_out=left_out or {},
        n_replicas=sum(model.figures["replicas"] for model in models),
        pictures=[*drawn, *_scenes(ordered)],
        thresholds=ordered[0].figures["definition"],
        definitions=DEFINITIONS,
    )
    write_atomically(path, text)


def _row(model: JudgedModel, p: float) -> dict[str, Any]:
    """Texts of a line of the table."""
    found = model.figures
    median = found["median_time_ps"]
    return {
        "name": model.name,
        "parameters": model.parameters,
        "failures": _failed(found),
        "dropped": found["dropped"],
        "probability": found["failure_probability"]["text"],
        "median": "–" if median is None else f"{median['value']:.3g} ({median['low']:.3g} to {_end(median['high'])})",
        "mean": _range(found["restricted_mean_time_ps"]),
        "drift": _range(found["drift"]),
        "variance": _range(found["energy_variance_eV2"]),
        "causes": ", ".join(f"{n} {cause}" for cause, n in found["causes"].items()) or "–",
        "p": f"{p:.2g}",
    }


def _control(model: JudgedModel, control: JudgedModel) -> dict[str, Any]:
    """Texts of the comparison with a reference."""
    found = against(model.figures, control.figures)
    return {
        "names": [model.name, control.name],
        "failures": [_failed(model.figures), _failed(found)],
        "probability": [figures["failure_probability"]["text"] for figures in (model.figures, found)],
        "drift": [_range(model.figures["drift"]), _range(found["drift"]), _range(found["drift_difference"])],
        "p": f"{found['p']:.2g}",
    }


def _failed(figures: Mapping[str, Any]) -> str:
    return f"{figures['failures']} of {figures['replicas']}"


def _range(figure: Mapping[str, float] | None) -> str:
    if figure is None:
        return "–"
    return f"{figure['value']:.3g} ({figure['low']:.3g} to {figure['high']:.3g})"


def _end(value: float | None) -> str:
    return "beyond the run" if value is None else f"{value:.3g}"


def _survival_pictures(models: Sequence[JudgedModel]) -> Iterator[Picture]:
    if len(models) <= _MAX_CURVES:
        yield picture(
            "Survival",
            "Share of replicas that have not failed; bands are 95 % intervals.",
            figures.survival({model.name: pool([model]) for model in models}),
        )
    for name, pools in varied(models).items():
        yield picture(
            f"Survival by {name.replace('_', ' ')}",
            "All replicas of all models with that value.",
            figures.survival(pools, name.replace("_", " ")),
        )


def _study_pictures(models: Sequence[JudgedModel]) -> Iterator[Picture]:
    parameters = varied(models)
    if not parameters:
        return
    yield picture(
        "How often", "Share of replicas that fail, by hyper-parameter; exact 95 % intervals.",
        figures.failure_rate(parameters),
    )  # fmt: skip
    yield picture(
        "How soon", "Mean time to failure within the run; the whole run where none fails.",
        figures.mean_time(parameters),
    )  # fmt: skip
    if sum(FORCE_ERROR in model.errors for model in models) > 1:
        yield picture(
            "Does the test error tell?", "Force error on unseen frames against the share of replicas that fail; one "
            "point per model, 95 % intervals.", figures.error_against_failure(models, FORCE_ERROR),
        )  # fmt: skip
    if any(model.figures["energy_variance_eV2"] for model in models):
        yield picture(
            "How steady", "Variance of the total energy of the replicas that hold; median and quartiles over models.",
            figures.energy_variance(parameters),
        )  # fmt: skip


def _cause_pictures(models: Sequence[JudgedModel]) -> Iterator[Picture]:
    if not any(model.figures["failures"] for model in models):
        return
    yield picture(
        "Why", "Share of all replicas lost to every cause; the causes compete and the first one counts.",
        figures.incidence(pool(models)),
    )  # fmt: skip
    if 1 < len(models) <= MAX_BARS:
        yield picture(
            "Why, by model",
            "Failures by cause, in % of a model's replicas.",
            figures.causes(
                {model.name: model.figures["causes"] for model in models},
                {model.name: model.figures["replicas"] for model in models},
            ),
        )


def _traces(models: Sequence[JudgedModel]) -> Iterator[Picture]:
    """Of the model that fails least and of the one that fails most."""
    for model in dict.fromkeys((models[0].name, models[-1].name)):
        traces = next(m.figures["traces"] for m in models if m.name == model)
        yield picture(
            f"Energy, {model}",
            "The first replicas to fail (a cross at their last sample), and of the others the worst and typical ones.",
            figures.energy_traces(traces),
        )


def _scenes(models: Sequence[JudgedModel]) -> Iterator[Picture]:
    """One of every cause, from the first model that has it."""
    first = {scene["cause"]: (model, scene) for model in reversed(models) for scene in model.figures["scenes"]}
    for cause, (model, scene) in sorted(first.items()):
        yield picture(
            cause.capitalize(),
            f"Replica {scene['replica']} of {model.name}: before, as it begins, and the last frame kept.",
            snapshots(scene),
        )
