"""The verdict on a run of replicas: how often it fails, when, how, and how the energy of the others behaves."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lampion.analysis.errors import RunError
from lampion.analysis.stability.conformations import Conformation
from lampion.analysis.stability.definition import LAMPION, Definition
from lampion.analysis.stability.energies import Walk, energy_summary, energy_walk
from lampion.analysis.stability.failure import Cause, Failure
from lampion.analysis.stability.folder import Watched, read_watched
from lampion.analysis.stability.judge import conformations, first_failures
from lampion.analysis.stability.proportions import proportion
from lampion.analysis.stability.scenes import scenes
from lampion.analysis.stability.survival import cumulative_incidence, median_time, restricted_mean, survival_curve
from lampion.analysis.stability.traces import traces

FORMAT = "lampion-stability/1"


@dataclass(frozen=True)
class Stability:
    """What `judge` found.

    Attributes:
        times: (n_replicas,) ps until failure or the end of the run; causes: None for a survivor. In the order of the
            numbers of the replicas.
        figures: the content of `stability.json`.
    """

    times: NDArray[np.float64]
    causes: tuple[Cause | None, ...]
    figures: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Only numbers, strings, lists and dictionaries."""
        return self.figures


def judge(folder: Path, definition: Definition = LAMPION, *, dropped: int = 0) -> Stability:
    """Judge a folder of `fix lampion/replicas`.

    Args:
        folder: with `*.record`, `*.failures`, and the dumps of `read_watched`.
        definition: what counts as a failure; `definition.with_thermostat()` for runs that are not NVE.
        dropped: starts that did not relax and so were not run; counted, not judged.
    Raises:
        RunError: no such folder, a damaged file, or a definition the files cannot answer.
    """
    watched = read_watched(folder)
    # A survivor was followed to the last sample of the run; of one time step more or less nobody can tell.
    horizon = watched.record.end
    failures = first_failures(watched, definition)
    if horizon <= 0.0 and not all(failures.values()):
        raise RunError(f"{watched.record.path}: only one step was recorded; nothing can be said about stability")
    times = np.array([min(failure.time, horizon) if failure else horizon for failure in failures.values()])
    causes = tuple(failure.cause if failure else None for failure in failures.values())
    walks = _walks(watched, failures)
    figures = {
        "format": FORMAT,
        "replicas": len(failures),
        "dropped": dropped,
        **_statistics(times, causes, horizon),
        **_energies(walks),
        "times": [
            _row(replica, time, failures[replica]) | _slope(walks.get(replica))
            for replica, time in zip(failures, times, strict=True)
        ],
        "conformational_changes": _changes(conformations(watched, definition)),
        **_origin(watched, definition),
        "traces": traces(watched.record, failures),
        "scenes": scenes(watched, failures),
    }
    return Stability(times, causes, figures)


def _origin(watched: Watched, definition: Definition) -> dict[str, Any]:
    """What was judged, and by which thresholds."""
    return {
        "definition": asdict(definition),
        "n_atoms": len(watched.record.header.elements),
        "time_step_ps": watched.record.header.time_step,
        "sampling_interval_ps": watched.record.interval,
    }


def _statistics(times: NDArray[np.float64], causes: tuple[Cause | None, ...], horizon: float) -> dict[str, Any]:
    failed = np.array([cause is not None for cause in causes])
    curve = survival_curve(times, failed)
    incidence = cumulative_incidence(times, causes)
    median = median_time(curve)
    return {
        "failures": int(failed.sum()),
        "failure_probability": proportion(int(failed.sum()), len(failed)).as_dict(),
        "causes": {cause.value: n for cause, n in Counter(cause for cause in causes if cause).most_common()},
        "horizon_ps": horizon,
        "median_time_ps": _finite(median.as_dict()) if median else None,
        "restricted_mean_time_ps": restricted_mean(times, failed, horizon).as_dict(),
        "survival": curve.as_dict(),
        "incidence": {
            cause: {"time_ps": time.tolist(), "value": value.tolist()} for cause, (time, value) in incidence.items()
        },
    }


def _walks(watched: Watched, failures: Mapping[int, Failure | None]) -> dict[int, Walk]:
    """Of all that ran to the end: without those that drifted, the drift would look better than it is."""
    n_atoms = len(watched.record.header.elements)
    whole = [r for r, failure in failures.items() if failure is None or failure.cause is Cause.DRIFT]
    walks = {r: energy_walk(watched.record.replicas[r], n_atoms) for r in whole if r not in watched.removals}
    return {replica: walk for replica, walk in walks.items() if walk is not None}


def _energies(walks: Mapping[int, Walk]) -> dict[str, Any]:
    empty = {"drift": None, "energy_variance_eV2": None, "energy_fluctuation_meV_per_atom": None}
    return empty | (energy_summary(list(walks.values())) or {})


def _slope(walk: Walk | None) -> dict[str, float]:
    return {"drift": walk.slope.value} if walk else {}


def _row(replica: int, time: float, failure: Failure | None) -> dict[str, Any]:
    row: dict[str, Any] = {"replica": replica, "time_ps": float(time), "cause": None}
    if failure is None:
        return row
    value = {"value": failure.value} if np.isfinite(failure.value) else {}
    precursor = {"precursor": failure.precursor.value} if failure.precursor else {}
    return row | {
        "cause": failure.cause.value, "criterion": failure.criterion, "pair": list(failure.pair), **value, **precursor
    }  # fmt: skip


def _changes(found: Mapping[int, list[Conformation]]) -> list[dict[str, Any]]:
    return [{"replica": replica, **asdict(change)} for replica, changes in found.items() for change in changes]


def _finite(estimate: dict[str, float]) -> dict[str, float | None]:
    """Infinity, which JSON has no word for, as null: the end of the interval was not reached."""
    return {name: value if np.isfinite(value) else None for name, value in estimate.items()}
