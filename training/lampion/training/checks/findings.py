"""Can these frames be trained on? Every finding with its figures, and the remedy where something is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lampion.training.checks.consistency import Consistency, Differences, consistency, differences
from lampion.training.checks.duplicates import find_duplicates
from lampion.training.checks.outliers import find_outliers
from lampion.training.checks.plausibility import bond_stiffness, energy_problem, stiffness_problem
from lampion.training.checks.stress_sign import stress_evidence
from lampion.training.checks.summary import Summary, largest_torque, summarize
from lampion.training.data.frames import Frames
from lampion.training.errors import DataError

#: robust z-score beyond which a label is reported
Z_SCORE = 10.0
#: atoms closer than this (Å) overlap: half of H-H
OVERLAP = 0.3
#: relative error of energy differences along consecutive frames beyond which labels are called noisy
NOISY = 0.2
#: frames named in a finding
NAMED = 5

Verdict = Literal["ok", "warning", "refused", "-"]


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, with which result, and the figures."""

    verdict: Verdict
    what: str
    text: str


@dataclass(frozen=True)
class Report:
    """Figures of a data set and what was found in it."""

    summary: Summary
    findings: list[Finding]

    @property
    def refusals(self) -> list[Finding]:
        """Findings that forbid training."""
        return [finding for finding in self.findings if finding.verdict == "refused"]

    def require_no_refusal(self, origin: str) -> None:
        """Raise DataError with what was refused of the frames of `origin`, if anything was."""
        if self.refusals:
            raise DataError(f"{origin}: " + "; ".join(finding.text for finding in self.refusals))


def examine(frames: Frames, *, z_score: float = Z_SCORE) -> Report:
    """Look at everything.

    Args:
        frames: labelled frames; larger than memory if mapped from a file.
        z_score: of outliers.
    """
    summary = summarize(frames)
    findings = [
        *_zero_labels(frames, summary),
        _shortest(summary),
        *_units(frames),
        *_consistency(frames),
        *_duplicates(frames),
        _outliers(frames, z_score),
        _net_force(frames, summary),
    ]
    return Report(summary, findings)


def require_sane(frames: Frames, origin: str) -> Summary:
    """Summary of labels that can be trained on.

    Raises:
        DataError: what `examine` refuses, with figures and remedy.
    """
    report = examine(frames)
    report.require_no_refusal(origin)
    return report.summary


def _zero_labels(frames: Frames, summary: Summary) -> Iterator[Finding]:
    if summary.force_max == 0.0:
        text = "every force is zero; were the labels read from the right columns or keys?"
        yield Finding("refused", "zero labels", text)
    elif not np.any(frames.energy):
        yield Finding("refused", "zero labels", "every energy is zero; were the labels read from the right keys?")
    elif frames.stress is not None and not np.any(frames.stress):
        yield Finding("refused", "zero labels", "every stress is zero; convert without it: --stress-key none")
    else:
        still = [f for f in range(len(frames)) if not frames.forces[frames.atoms_of(f)].any()]
        text = f"all forces are zero in {_named(still)}; right for perfect crystals only"
        yield Finding("warning", "zero labels", text) if still else Finding("ok", "zero labels", "none")


def _shortest(summary: Summary) -> Finding:
    if not summary.shortest:
        return Finding("warning", "distances", "no two atoms are within 5 Å; positions in nm?")
    pair = min(summary.shortest, key=lambda name: summary.shortest[name])
    closest = summary.shortest[pair]
    if closest < OVERLAP:
        text = f"two atoms are {closest:.3g} Å apart ({pair}); overlapping atoms or wrong length units"
        return Finding("refused", "distances", text)
    hydrogen = [distance for name, distance in summary.shortest.items() if "H" in name.split("-")]
    if hydrogen and min(hydrogen) > 1.5:
        text = f"no H is closer to another atom than {min(hydrogen):.2f} Å; positions in bohr? (--length-unit bohr)"
        return Finding("warning", "distances", text)
    return Finding("ok", "distances", f"shortest is {pair}, {closest:.3f} Å")


def _units(frames: Frames) -> Iterator[Finding]:
    found = bond_stiffness(frames)
    figures = ", ".join(f"{s.bond} {s.constant:.0f} eV/Å²" for s in found)
    yield _judged("bond stiffness", stiffness_problem(found), figures or None, "no bonds whose stiffness shows")
    yield _judged("size of energies", energy_problem(frames), "none below the Thomas-Fermi energy", "")


def _consistency(frames: Frames) -> Iterator[Finding]:
    found = differences(frames)
    evidence = stress_evidence(frames, found)
    stress = next((e.problem for e in evidence if e.problem and e.is_exact), None)
    doubt = next((e.problem for e in evidence if e.problem), None)
    if frames.stress is not None and doubt and not stress:
        yield Finding("warning", "stress", doubt)
    elif frames.stress is not None:
        figures = ", ".join(f"{e.way}: correlation {e.correlation:.2f}, n = {e.n}" for e in evidence)
        yield _judged("stress", stress, figures or None, "its sign and unit cannot be told from these frames")
    # a stress of the wrong sign spoils the comparison of energies and forces, which is then left to the next run
    yield _work_of_forces(found, None if stress else consistency(found))


def _work_of_forces(found: Differences, verdict: Consistency | None) -> Finding:
    """Verdict on energies and forces; frames that merely happen to be close are judged by a wrong factor only."""
    close = f"{len(found)} of {found.n_looked_at} pairs of frames are close"
    if verdict is None:
        return Finding("-", "consistency", f"frames are not consecutive ({close}): not judged")
    if verdict.problem:
        return Finding("refused", "consistency", verdict.problem)
    figures = f"energy differences and work of the forces differ by {100 * verdict.error:.1f} % ({close})"
    if 2 * len(found) < found.n_looked_at:
        return Finding("-", "consistency", f"frames are not consecutive: not judged; {figures}")
    if verdict.error > NOISY:
        return Finding("warning", "consistency", f"{figures}: noisy labels, or a potential that jumps at its cutoff?")
    return Finding("ok", "consistency", figures)


def _duplicates(frames: Frames) -> Iterator[Finding]:
    found = find_duplicates(frames)
    if found.contradictory:
        text = f"the same positions have different labels in {_pairs(found.contradictory)}; keep one label set"
        yield Finding("refused", "duplicates", text)
    kinds = (("repeat an earlier frame exactly", found.exact), ("repeat one but for rotation or rounding", found.near))
    for text, pairs in kinds:
        if pairs:
            yield Finding("warning", "duplicates", f"{len(pairs)} frames {text}: {_pairs(pairs)}")
    if not (found.exact or found.near):
        yield Finding("ok", "duplicates", "none")


def _outliers(frames: Frames, z_score: float) -> Finding:
    found = find_outliers(frames, z_score)
    if not found:
        return Finding("ok", "outliers", f"none beyond z = {z_score:g}")
    units = {True: "eV/atom", False: "eV/Å"}
    named = ", ".join(
        f"frame {o.frame} {o.what} {o.value:.3g} {units[o.what == 'energy']} (z = {o.z:.0f})" for o in found[:NAMED]
    )
    return Finding("warning", "outliers", f"{len(found)} beyond z = {z_score:g}: {named}")


def _net_force(frames: Frames, summary: Summary) -> Finding:
    torque = largest_torque(frames)
    turning = "" if torque is None else f"; torque of molecules at most {torque:.2g} eV per atom"
    figures = f"at most {summary.net_force_max:.2g} eV/Å per atom{turning}"
    share = max(summary.net_force_max, torque or 0.0) / summary.force_rms if summary.force_rms else 0.0
    if share > 0.05:
        size = f"{figures}, {100 * share:.0f} % of the rms force"
        return Finding("warning", "net force", f"{size}: no energy has such forces (frozen atoms, an external field?)")
    return Finding("ok", "net force", figures)


def _judged(what: str, problem: str | None, figures: str | None, absent: str) -> Finding:
    """Refused with the problem, fine with the figures, or not applicable."""
    if problem:
        return Finding("refused", what, problem)
    return Finding("ok", what, figures) if figures else Finding("-", what, absent)


def _named(frames: list[int]) -> str:
    more = f" and {len(frames) - NAMED} more" if len(frames) > NAMED else ""
    return f"frame{'s' * (len(frames) > 1)} {', '.join(map(str, frames[:NAMED]))}{more}"


def _pairs(pairs: list[tuple[int, int]]) -> str:
    more = f" and {len(pairs) - NAMED} more" if len(pairs) > NAMED else ""
    return ", ".join(f"{a} = {b}" for a, b in pairs[:NAMED]) + more
