"""The page of a search: its course, what mattered, and every parameter against the result."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from lampion.analysis.figures import COLOURS, GREY, panel, styled
from lampion.analysis.files import write_atomically
from lampion.analysis.page import Picture, picture, render
from lampion.pipeline.evaluate.figures import plain_numbers

#: Finished trials below which an importance means nothing.
ENOUGH = 10
N_SHOWN = 12


def write_tune_report(study: optuna.Study, metric: str, path: Path) -> None:
    """Write the page of a study with at least one finished trial; it needs no other file."""
    trials = study.trials
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    counts = {state.name.lower(): sum(trial.state == state for trial in trials) for state in TrialState}
    text = render(
        "lampion.pipeline.tune",
        "tune.html.j2",
        title="Search for a training configuration",
        metric=metric,
        counts={name: count for name, count in counts.items() if count},
        keys=sorted({key for trial in trials for key in trial.params}),
        best=sorted(finished, key=_value)[:N_SHOWN],
        pictures=list(_pictures(study, finished, metric)),
    )
    write_atomically(path, text)


def _pictures(study: optuna.Study, finished: Sequence[FrozenTrial], metric: str) -> Iterator[Picture]:
    yield picture(
        "Course of the search",
        "Finished trials in their order, grey: stopped early; line: the best so far.",
        history(study.trials, metric),
    )
    if len(finished) >= ENOUGH:
        weights = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
        yield picture(
            "Importance",
            "Share of each parameter in telling the best tenth of the trials from the rest (PED-ANOVA: Watanabe, "
            "Bansal, Hutter 2023, arXiv:2304.10255).",
            importance(weights),
        )
    for key in sorted({key for trial in finished for key in trial.params}):
        yield picture(key, "Every finished trial.", values_of(finished, key, metric))


@styled
def history(trials: Sequence[FrozenTrial], metric: str) -> Figure:
    """Values of the trials in their order and the best so far."""
    figure, axes = panel("trial", metric)
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED and trial.value is not None]
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    axes.plot([t.number for t in pruned], [_value(t) for t in pruned], "o", color=GREY, markersize=3, label="pruned")
    numbers, values = [t.number for t in finished], [_value(t) for t in finished]
    axes.plot(numbers, values, "o", color=COLOURS["learned"], markersize=4, label="finished")
    axes.step(numbers, np.minimum.accumulate(values), where="post", color=COLOURS["reference"], label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _scale(axes, [*values, *(_value(t) for t in pruned)])
    axes.legend()
    return figure


@styled
def importance(weights: dict[str, float]) -> Figure:
    """Bars, the largest on top."""
    figure, axes = panel("importance", "", (5.2, 0.8 + 0.35 * len(weights)))
    names = sorted(weights, key=lambda name: weights[name])
    axes.barh(names, [weights[name] for name in names], color=COLOURS["learned"], height=0.6)
    return figure


@styled
def values_of(trials: Sequence[FrozenTrial], key: str, metric: str) -> Figure:
    """Value against one parameter."""
    figure, axes = panel(key, metric)
    chosen = [trial for trial in trials if key in trial.params]
    distribution = chosen[0].distributions[key]
    x = [trial.params[key] for trial in chosen]
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        places = {choice: place for place, choice in enumerate(distribution.choices)}
        axes.set_xticks(range(len(places)), [str(choice) for choice in places])
        x = [places[value] for value in x]
    elif distribution.log:  # type: ignore[attr-defined]  # every numeric distribution says whether it is logarithmic
        axes.set_xscale("log")
    y = [_value(trial) for trial in chosen]
    axes.plot(x, y, "o", color=COLOURS["learned"], markersize=4, alpha=0.8)
    _scale(axes, y)
    return figure


def _scale(axes: Axes, values: Sequence[float]) -> None:
    """Logarithmic where the values span more than a power of ten."""
    if min(values) > 0.0 and max(values) > 10 * min(values):
        axes.set_yscale("log")
        plain_numbers(axes.yaxis)


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None
    return trial.value
