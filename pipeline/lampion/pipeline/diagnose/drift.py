"""Why the energy of a run drifts: short repeats with one thing changed, and single points beside its start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from lampion.analysis.blocks import Estimate
from lampion.analysis.diagnosis.crossings import account
from lampion.analysis.diagnosis.rules import Evidence, Verdict, explain
from lampion.analysis.diagnosis.segments import segment, shadow_energy
from lampion.analysis.stability.definition import LAMPION
from lampion.analysis.stability.energies import N_STRETCHES, Walk, energy_walk, robust_drift
from lampion.analysis.stability.folder import Watched
from lampion.analysis.stability.judge import first_failures
from lampion.analysis.thermo import read_thermo
from lampion.pipeline.diagnose.case import Case, portable
from lampion.pipeline.diagnose.probes import Probes, probe
from lampion.pipeline.diagnose.segments import BlownUpError, Plan, Repeats
from lampion.pipeline.lmp.failure import RunFailedError
from lampion.pipeline.lmp.replay import Replay
from lampion.pipeline.lmp.runner import LOG
from lampion.pipeline.progress import Task

#: replicas repeated, those that drift most
N_REPLICAS = 8
#: fewest steps of a segment: a quarter of the pairs of 50 stretches
MIN_STEPS = 4 * N_STRETCHES
#: of a segment that blew up, the part that is looked at
_BEFORE_END = 0.8
#: kinds of pairs beyond which they are not counted
_MOST_KINDS = 10


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


def diagnose_drift(case: Case, steps: int, work: Path, shown: Task) -> Drift:
    """Repeat and judge.

    Args:
        steps: of a segment, at the run's own time step, `MIN_STEPS` or more. work: for the work of `lmp`.

    Raises:
        RunFailedError: `lmp` cannot repeat the run.
    """
    drift, molecules = _of_run(case)
    if case.watched and not molecules:
        return Drift(notes=("No replica lasted long enough for its energy to be followed.",))
    repeats = Repeats(case.run, work, molecules)
    castable = portable(case, work)
    probes, notes = _probed(case, repeats, castable)
    shown.update(1, 2, "parts: single points are done, segments follow")
    evidence = replace(_segments(case, repeats, steps, probes, castable), run=drift)
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


def _probed(case: Case, repeats: Repeats, castable: Replay) -> tuple[Probes | None, tuple[str, ...]]:
    try:
        manifest, potential = case.manifest, castable.with_precision("float64")
        found = probe(repeats, potential, case.run.names, manifest.cutoff, energies=manifest.conservative)
    except RunFailedError as error:
        return None, (f"Single points could not be evaluated in float64: {error}.",)
    return found, ()


def _segments(case: Case, repeats: Repeats, steps: int, probes: Probes | None, castable: Replay) -> Evidence:
    """All segments on the run's own number of ranks."""
    cutoff = _counted(repeats, probes)
    plans = [Plan("as the run"), *(_plans(case, repeats, castable) if case.manifest.conservative else ())]
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


def _plans(case: Case, repeats: Repeats, castable: Replay) -> list[Plan]:
    """What is changed, one thing at a time; last what may stop `lmp`."""
    own = case.run.precision or case.manifest.dtype
    other = "float64" if own == "float32" else "float32"
    return [
        Plan("half the time step", 0.5),
        Plan("a quarter of the time step", 0.25),
        Plan("wider skin", potential=repeats.careful_lists()),
        Plan(other, potential=castable.with_precision(other)),
        Plan("twice the time step", 2.0),
    ]


def _counted(repeats: Repeats, probes: Probes | None) -> float | None:
    """The radius to count pairs in, if the energy jumps there and their kinds are few."""
    kinds = len(repeats.kinds)
    jumps = probes is not None and probes.cutoff.jumps
    return probes.cutoff.radius if probes and jumps and kinds * (kinds + 1) // 2 <= _MOST_KINDS else None
