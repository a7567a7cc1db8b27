"""`lampion diagnose`: why the energy of a run drifts, and how its forces go wrong before a failure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.stats import binomtest

from lampion.analysis.blocks import Estimate
from lampion.analysis.diagnosis import approach
from lampion.analysis.diagnosis.crossings import account
from lampion.analysis.diagnosis.report import write_diagnosis
from lampion.analysis.diagnosis.rules import Evidence, Verdict, explain
from lampion.analysis.diagnosis.segments import segment, shadow_energy
from lampion.analysis.stability.definition import LAMPION
from lampion.analysis.stability.energies import N_STRETCHES, Walk, energy_walk, robust_drift
from lampion.analysis.stability.folder import Watched, read_watched
from lampion.analysis.stability.judge import first_failures
from lampion.analysis.stability.records import RECORD_COLUMNS, columns_of
from lampion.analysis.thermo import read_thermo
from lampion.deploy.modelfile import Manifest, read_manifest
from lampion.pipeline.approaches import approaches
from lampion.pipeline.probes import Probes, probe
from lampion.pipeline.progress import Task, task
from lampion.pipeline.records import write_json
from lampion.pipeline.replay import Replay, replay
from lampion.pipeline.runner import LOG, RECORD
from lampion.pipeline.segments import BlownUpError, Plan, Repeats
from lampion.pipeline.work import RunFailedError
from lampion.training.errors import ConfigError, DataError
from lampion.training.files import sha256

FORMAT = "lampion-diagnosis/1"
#: replicas repeated, those that drift most
N_REPLICAS = 8
#: fewest steps of a segment: a quarter of the pairs of 50 stretches
MIN_STEPS = 4 * N_STRETCHES
#: of a segment that blew up, the part that is looked at
_BEFORE_END = 0.8
#: kinds of pairs beyond which they are not counted
_MOST_KINDS = 10


@dataclass(frozen=True)
class Case:
    """A run to look into.

    Attributes:
        folder: of `lmp`. record: its run.json. run: how to set it up. manifest: of its model.
        watched: what `fix lampion/replicas` wrote, if it was there.
    """

    folder: Path
    record: dict[str, Any]
    run: Replay
    manifest: Manifest
    watched: Watched | None


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
    case = _open(folder, model)
    with TemporaryDirectory(prefix="lampion-diagnose-") as work, task("diagnosis") as shown:
        failed = _failures(case, Path(work) / "relabel", reference, data)
        drift = _drift(case, steps, Path(work), shown)
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


@dataclass(frozen=True)
class Drift:
    """What the repeats say; nothing where none could be made."""

    verdict: Verdict | None = None
    evidence: Evidence | None = None
    drawn: tuple[Any, Any] | None = None
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any] | None:
        """Ready for JSON."""
        if self.evidence is None:
            return None
        found, cutoff = self.evidence, self.evidence.cutoff
        return {
            "run": found.run.as_dict() if found.run else None,
            "segments": {one.name: one.as_dict() for one in found.segments},
            "ranks": found.ranks,
            "loops": [loop.as_dict() for loop in found.loops],
            "cutoff": {"radius_A": cutoff.radius, "pulls": [pull.as_dict() for pull in cutoff.pulls]}
            if cutoff
            else None,
        }


def _open(folder: Path, model: Path | None) -> Case:
    """Find the parts of a run; its model must be the one it ran with."""
    inside = folder / "run" if (folder / "plan.json").is_file() else folder
    path = inside / RECORD
    if not path.is_file():
        raise DataError(f"{folder}: no {RECORD}; give a folder of `lampion stability` or `lampion run`")
    record = json.loads(path.read_text(encoding="utf-8"))
    run = replay(inside / LOG)
    if model:
        run = run.with_model(model.resolve())
    if not run.model.is_file():
        raise DataError(f"{run.model}: the model of the run is gone; say where it is with --model")
    ran = record.get("model") or {}
    if "sha256" in ran and ran["sha256"] != sha256(run.model):
        raise DataError(f"{run.model}: not the model of the run in {folder}: its content has changed since")
    watched = read_watched(inside) if any(_is_record(file) for file in inside.iterdir()) else None
    return Case(inside, record, run, read_manifest(run.model), watched)


def _ending(case: Case) -> list[str]:
    """How a run ended that should have gone on; replicas that fail are told of elsewhere."""
    ending = case.record.get("ending") or {}
    if case.watched or ending.get("kind") in (None, "complete"):
        return []
    return [f"The run ended at step {ending['last_step']}: {ending['reason']}."]


def _is_record(path: Path) -> bool:
    return path.is_file() and columns_of(path) == RECORD_COLUMNS


def _failures(case: Case, work: Path, reference: Path | None, data: Path | None) -> list[approach.Approach]:
    if case.watched is None:
        return []
    return approaches(case.watched, case.run.model, work, reference=reference, data=data)


# -- drift -----------------------------------------------------------------------------------------------------------


def _drift(case: Case, steps: int, work: Path, shown: Task) -> Drift:
    """Repeat and judge."""
    drift, molecules = _of_run(case)
    if case.watched and not molecules:
        return Drift(notes=("No replica lasted long enough for its energy to be followed.",))
    repeats = Repeats(case.run, work, molecules)
    probes, notes = _probed(case, repeats)
    shown.update(1, 2, "parts: single points are done, segments follow")
    evidence = replace(_segments(case, repeats, steps, probes), run=drift)
    verdict = explain(evidence)
    return Drift(verdict, evidence, probes.drawn if probes else None, notes)


def _of_run(case: Case) -> tuple[Estimate | None, list[int]]:
    """Drift of the run, meV/atom/ps, and of replicas the ones to repeat."""
    if case.watched is None:
        thermo = read_thermo(case.folder / LOG)
        energy = thermo.columns[thermo.conserved_name]
        if not thermo.is_conserved or len(energy) < N_STRETCHES or thermo.n_atoms is None:
            return None, []
        return robust_drift(thermo.time, energy * 1000.0 / thermo.n_atoms), []
    n_atoms, series = len(case.watched.record.header.elements), case.watched.record.replicas
    failures = first_failures(case.watched, LAMPION)
    whole = [r for r in failures if r not in case.watched.removals]
    walks = {r: walk for r in whole if (walk := energy_walk(series[r], n_atoms))}
    if not walks:
        return None, whole[:N_REPLICAS] or _latest(case.watched)
    chosen = _worst(walks)
    return _mean_drift(walks, chosen), chosen


def _worst(walks: Mapping[int, Walk]) -> list[int]:
    """Those that drift most, all in the direction of the one that does most, lest they cancel."""
    size = {replica: walk.slope.value for replica, walk in walks.items()}
    sign = np.sign(max(size.values(), key=abs)) or 1.0
    return sorted(sorted(size, key=lambda replica: -sign * size[replica])[:N_REPLICAS])


def _mean_drift(walks: Mapping[int, Walk], chosen: Sequence[int]) -> Estimate | None:
    """Mean of the chosen ones; zero is kept inside its interval where no more replicas drift than chance has it."""
    slopes = [walks[replica].slope for replica in chosen]
    value = float(np.mean([slope.value for slope in slopes]))
    half = float(np.sqrt(np.sum([(slope.high - slope.low) ** 2 for slope in slopes]))) / 2.0 / len(slopes)
    n = sum(not walk.slope.low <= 0.0 <= walk.slope.high for walk in walks.values())
    if n == 0 or binomtest(n, len(walks), 0.05, alternative="greater").pvalue > 0.05:
        half = max(half, abs(value))  # the largest of many are large by chance
    return Estimate(value, value - half, value + half)


def _latest(watched: Watched) -> list[int]:
    """Replicas that failed last, if they lasted for a while."""
    lasting = [r for r, s in watched.record.replicas.items() if len(s.time) >= N_STRETCHES]
    return sorted(sorted(lasting, key=lambda r: -watched.record.replicas[r].time[-1])[:N_REPLICAS])


def _probed(case: Case, repeats: Repeats) -> tuple[Probes | None, tuple[str, ...]]:
    potential = case.run.with_precision("float64")
    try:
        manifest = case.manifest
        found = probe(repeats, potential, case.run.names, manifest.cutoff, energies=manifest.conservative)
    except RunFailedError as error:
        return None, (f"Single points could not be evaluated in float64: {error}.",)
    return found, ()


def _segments(case: Case, repeats: Repeats, steps: int, probes: Probes | None) -> Evidence:
    """All segments on the run's own number of ranks."""
    cutoff = _counted(repeats, probes)
    plans = [Plan("as the run"), *(_plans(case, repeats) if case.manifest.conservative else ())]
    try:
        tables = repeats.segments(plans, steps, ranks=case.record["ranks"], cutoff=cutoff)
    except BlownUpError as error:
        shorter = int(_BEFORE_END * error.step)
        if shorter < MIN_STEPS:
            raise
        tables = repeats.segments(plans, shorter, ranks=case.record["ranks"], cutoff=cutoff)
    n_atoms = repeats.n_atoms
    found = {name: segment(name, table, dt, n_atoms) for name, (dt, table) in tables.items()}
    dt, table = tables["as the run"]
    corrected = None
    if cutoff and len(table["pairs"].T):
        shadow = shadow_energy(table["pe"], table["ke"], table["pull"], dt)
        accounted = account(shadow, table["pairs"])
        corrected = segment("crossings taken out", table, dt, n_atoms, accounted.correction)
    return Evidence(
        run=None,
        base=found["as the run"],
        half=found.get("half the time step"),
        quarter=found.get("a quarter of the time step"),
        double=found.get("twice the time step"),
        lists=found.get("wider skin"),
        precise=found.get("float64"),
        single=found.get("float32"),
        without_crossings=corrected,
        cutoff=probes.cutoff if probes else None,
        loops=probes.loops if probes else (),
        n_ranks=case.record["ranks"],
        ranks=probes.ranks if probes else None,
        conservative=case.manifest.conservative,
    )


def _plans(case: Case, repeats: Repeats) -> list[Plan]:
    """What is changed, one thing at a time; last what may stop `lmp`."""
    own = case.run.precision or case.manifest.dtype
    other = "float64" if own == "float32" else "float32"
    return [
        Plan("half the time step", 0.5),
        Plan("a quarter of the time step", 0.25),
        Plan("wider skin", potential=repeats.careful_lists()),
        Plan(other, potential=case.run.with_precision(other)),
        Plan("twice the time step", 2.0),
    ]


def _counted(repeats: Repeats, probes: Probes | None) -> float | None:
    """The radius to count pairs in, if the energy jumps there and their kinds are few."""
    kinds = len(repeats.kinds)
    jumps = probes is not None and probes.cutoff.jumps
    return probes.cutoff.radius if probes and jumps and kinds * (kinds + 1) // 2 <= _MOST_KINDS else None


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
