"""`lampion diagnose`: why the energy of a run drifts, and how its forces go wrong before a failure."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lampion.analysis.diagnosis import approach
from lampion.analysis.diagnosis.report import write_diagnosis
from lampion.pipeline.diagnose.approaches import approaches
from lampion.pipeline.diagnose.case import Case, open_case
from lampion.pipeline.diagnose.drift import MIN_STEPS, diagnose_drift
from lampion.pipeline.progress import task
from lampion.pipeline.records import write_json
from lampion.training.errors import ConfigError
from lampion.training.files import sha256

FORMAT = "lampion-diagnosis/1"


def diagnose(
    folder: Path,
    out: Path,
    *,
    steps: int = 2000,
    model: Path | None = None,
    reference: Path | None = None,
    data: Path | None = None,
) -> dict[str, Any]:
    """Find out, write `diagnosis.json` and `diagnosis.html` into `out`; returns the former's content.

    Args:
        folder: of `lampion stability` or `lampion run`.
        steps: of a segment, at the run's own time step.
        model: where the run's model file is now, if it was moved.
        reference: model file or LAMMPS input that gives the frames before a failure their true forces.
        data: labelled frames, or the folder of a training, to measure the distance of these frames from.

    Raises:
        DataError: not such a folder, a model that is not the one of the run, a start that cannot be rebuilt.
        ConfigError: too few steps.
        RunFailedError: `lmp` cannot repeat the run.
    """
    if steps < MIN_STEPS:
        raise ConfigError(f"--steps {steps}: a slope needs at least {MIN_STEPS}")
    case = open_case(folder, model)
    with TemporaryDirectory(prefix="lampion-diagnose-") as work, task("diagnosis") as shown:
        failed = _failures(case, Path(work) / "relabel", reference, data)
        drift = diagnose_drift(case, steps, Path(work), shown)
    notes = list(drift.notes)
    sentences = [*_ending(case), *([drift.verdict.sentence] if drift.verdict else [])]
    if failed:
        sentences.append(approach.sentence(approach.summary(failed)))
    content = {
        "format": FORMAT,
        "run": str(folder),
        "model": {"path": str(case.run.model), "sha256": sha256(case.run.model)},
        "cause": drift.verdict.origin.value if drift.verdict else None,
        "sentence": " ".join([*sentences, *([] if sentences else notes)]),
        "drift": drift.as_dict(),
        "failures": {**approach.summary(failed), "replicas": [one.as_dict() for one in failed]} if failed else None,
        "notes": notes,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "diagnosis.json", content)
    evidence = drift.evidence
    write_diagnosis(content, evidence, failed, out / "diagnosis.html", drawn=drift.drawn)
    return content


def _ending(case: Case) -> list[str]:
    """How a run ended that should have gone on; replicas that fail are told of elsewhere."""
    ending = case.record.get("ending") or {}
    if case.watched or ending.get("kind") in (None, "complete"):
        return []
    return [f"The run ended at step {ending['last_step']}: {ending['reason']}."]


def _failures(case: Case, work: Path, reference: Path | None, data: Path | None) -> list[approach.Approach]:
    if case.watched is None:
        return []
    return approaches(case.watched, case.run.model, work, reference=reference, data=data)


def table_lines(content: Mapping[str, Any]) -> list[str]:
    """Segments and probes in a few lines, the sentence last."""
    lines = []
    if drift := content["drift"]:
        if drift["run"]:
            lines.append(_line("the run itself", drift["run"]))
        lines += [_line(name, one["drift"]) for name, one in drift["segments"].items()]
        lines += (
            [f"{'closed loops':28s} {100 * max(o['work'] for o in drift['loops']):.2g} %"] if drift["loops"] else []
        )
        pulls = drift["cutoff"]["pulls"] if drift["cutoff"] else []
        if pulls:
            jump = max(abs(pull["energy_jump_eV"]) for pull in pulls)
            lines.append(f"{'jump at the cutoff':28s} {jump:.2g} eV")
    return [*lines, *content["notes"], content["sentence"]]


def _line(name: str, drift: Mapping[str, float]) -> str:
    return f"{name:28s} {drift['value']:9.2g} ({drift['low']:.2g} to {drift['high']:.2g}) meV/atom/ps"
