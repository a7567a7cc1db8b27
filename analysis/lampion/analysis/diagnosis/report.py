"""The page of a diagnosis: sentence, pictures, table, rule; one file without a network or a script."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lampion.analysis.diagnosis import figures
from lampion.analysis.diagnosis.approach import Approach
from lampion.analysis.diagnosis.rules import RULE, Evidence
from lampion.analysis.figures import timestep
from lampion.analysis.files import write_atomically
from lampion.analysis.page import Picture, picture, render
from lampion.analysis.timestep import timestep_law

Array = NDArray[np.float64]

DEFINITIONS = {
    "drift": "Slope of the energy that velocity Verlet conserves (Theil and Sen), with its 95 % interval.",
    "energy": "K + U + (U₊ − 2U + U₋)/12 + dt²/24 Σ|F|²/m, U₊ and U₋ one step on and back (Skeel and Hardy 2001): "
    "the swing of K + U with dt² is left out, which would hide a slow drift in a short run.",
    "fluctuation": "Rms of K + U about its mean; of a sound run it falls with the square of the time step.",
    "scatter": "Rms of the energy above about its mean.",
    "closed loops": "Work of the forces round random circles in the space of all positions, in units of ∮|F·dr|; zero "
    "for the gradient of an energy. Mismatch: largest difference of energy and work on the way.",
    "cutoff": "A pair of the run pulled from just inside the cutoff to just outside: change of the energy beyond the "
    "work of the force, and of the force.",
    "crossings taken out": "The segment that repeats the run, less what the energy changes by, from step to step, "
    "in proportion to the number of pairs within the cutoff.",
    "error of the forces": "Rms over the atoms of |F − F_reference| in the frames kept before a failure.",
    "error of the energy": "E − E_reference, from its value in the first frame kept.",
    "distance from training": "Largest kernel distance of an atom's environment from the training set, in units of the "
    "distance that 99 % of the set's own environments keep to.",
}


def write_diagnosis(
    content: Mapping[str, Any],
    evidence: Evidence | None,
    failures: Sequence[Approach],
    path: Path,
    *,
    drawn: tuple[Array, Array] | None = None,
) -> None:
    """Write the page.

    Args:
        content: of `diagnosis.json`. evidence: behind its drift, None where none was gathered.
        failures: behind its failures. drawn: distance (Å) and energy beyond the work of the force (eV) of a pair
            pulled through the cutoff.
    """
    text = render(
        "lampion.analysis.diagnosis",
        "diagnosis.html.j2",
        title="Why a run fails",
        content=content,
        pictures=[*_drift_pictures(evidence, drawn), *_failure_pictures(failures)],
        rule=RULE,
        definitions=DEFINITIONS,
    )
    write_atomically(path, text)


def _drift_pictures(evidence: Evidence | None, drawn: tuple[Array, Array] | None) -> Iterator[Picture]:
    if evidence is None:
        return
    yield picture("Drift", "Of the run and of its repeats, one thing changed in each.",
                  figures.drifts(evidence.run, evidence.segments))  # fmt: skip
    yield picture("Energy", "That velocity Verlet conserves, along the repeats.", figures.traces(evidence.segments))
    if law := _law(evidence):
        yield picture("The dt² law", "Fluctuation of the energy against the time step.", timestep({"learned": law}))
    if drawn is not None and evidence.cutoff:
        yield picture("Cutoff", "Energy beyond the work of the force as a pair is pulled through it; level if sound.",
                      figures.crossing(*drawn, evidence.cutoff.radius))  # fmt: skip


def _law(evidence: Evidence) -> dict[str, Any] | None:
    """Of the segments at different time steps."""
    tried = [one for one in (evidence.double, evidence.base, evidence.half, evidence.quarter) if one]
    if len(tried) < 3 or not all(one.fluctuation > 0.0 for one in tried):
        return None
    found = timestep_law([one.time_step for one in tried], [one.total for one in tried])
    return {
        "time_step_ps": found.time_step.tolist(),
        "fluctuation_meV_per_atom": found.fluctuation.tolist(),
        "deviation": found.deviation,
    }


def _failure_pictures(failures: Sequence[Approach]) -> Iterator[Picture]:
    for quantity, title in (
        ("forces", "Force error"),
        ("energy", "Energy error"),
        ("novelty", "Distance from training"),
    ):
        if any(getattr(one, quantity) is not None for one in failures):
            yield picture(f"{title} before failure", "A curve per replica, over the frames kept.",
                          figures.approaches(failures, quantity))  # fmt: skip
