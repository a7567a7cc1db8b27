"""Which cause explains a drift: one rule, applied to what the repeated segments and the probes say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lampion.analysis.blocks import Estimate
from lampion.analysis.diagnosis.crossings import Cutoff
from lampion.analysis.diagnosis.loops import Loop
from lampion.analysis.diagnosis.segments import NEGLIGIBLE, QUIET, SHARE_LEFT, Segment, removes, significant

RULE = (
    "The energy is one that velocity Verlet conserves up to the fourth power of the time step. It drifts if the "
    f"95 % interval of its slope excludes zero and the slope is at least {NEGLIGIBLE} meV/atom/ps. It wanders if "
    f"its rms about its mean is at least {QUIET} meV/atom, and more than a quarter of that is left at a quarter of "
    "the time step. A change takes this away if at most a quarter of the slope is left and the two intervals lie "
    "apart, or if at most a quarter of the rms is left. The cause is the first of this list that applies: the run "
    "had several MPI ranks, and forces at one and the same place differ between one and several; a wider skin and "
    "neighbor lists checked at every step take it away; so does taking out what the energy jumps by when a pair "
    "crosses the cutoff; so does float64; so does a quarter of the time step; the forces are not the gradient of "
    "the energy, found by the work round closed loops; energy or force jump at the cutoff. If none does, the "
    "cause is not among those tried."
)


class Origin(StrEnum):
    """What a drift comes from."""

    NONE = "no drift"
    UNDECIDED = "not decided"
    RANKS = "number of ranks"
    LISTS = "neighbor lists"
    CUTOFF = "cutoff"
    PRECISION = "precision"
    INTEGRATION = "time step"
    GRADIENT = "not a gradient"
    UNEXPLAINED = "not explained"


@dataclass(frozen=True)
class Evidence:
    """All that was tried.

    Attributes:
        run: drift of the run itself, None where its energy is not conserved or was not recorded.
        base: the segment that repeats the run.
        half, quarter, double: at other time steps. lists: with a wider skin. precise, single: in float64, float32.
            Each None if it could not be run or would be the same as `base`.
        without_crossings: `base`, what pairs that cross the cutoff change in the energy taken out.
        cutoff: None where the types of the model cannot be pulled apart.
        loops: walks round closed loops.
        n_ranks: of the run. ranks: largest difference of a force between one rank and several, over the rms force.
        tolerance: of both.
        conservative: False of a model that predicts forces without an energy.
    """

    run: Estimate | None
    base: Segment
    half: Segment | None = None
    quarter: Segment | None = None
    double: Segment | None = None
    lists: Segment | None = None
    precise: Segment | None = None
    single: Segment | None = None
    without_crossings: Segment | None = None
    cutoff: Cutoff | None = None
    loops: Sequence[Loop] = ()
    n_ranks: int = 1
    ranks: float | None = None
    tolerance: float = 1e-5
    conservative: bool = True

    @property
    def segments(self) -> list[Segment]:
        """Those that were run."""
        tried = (self.base, self.double, self.half, self.quarter, self.precise, self.single, self.lists)
        return [one for one in (*tried, self.without_crossings) if one is not None]

    @property
    def wanders(self) -> bool:
        """Whether the energy scatters by more than the swing of a sound run, which falls with the time step."""
        least = self.quarter.scatter if self.quarter else self.base.scatter
        return self.base.scatter >= QUIET and least > self.base.scatter / SHARE_LEFT


@dataclass(frozen=True)
class Verdict:
    """Cause and sentence."""

    origin: Origin
    sentence: str


def explain(evidence: Evidence) -> Verdict:
    """Apply `RULE`."""
    if not evidence.conservative:
        return _direct(evidence)
    base = evidence.base
    if significant(base.drift):
        origin, reason = next(_causes(evidence))
        return Verdict(origin, f"The energy drifts by {spell(base.drift)}: {reason}.")
    if evidence.wanders:
        origin, reason = next(_causes(evidence))
        told = f"The energy wanders by {base.scatter:.2g} meV/atom, whatever the time step, in {base.time[-1]:.3g} ps"
        return Verdict(origin, f"{told}: {reason}.")
    return _small(evidence)


def spell(drift: Estimate) -> str:
    """Value, interval, unit."""
    return f"{drift.value:.2g} ({drift.low:.2g} to {drift.high:.2g}) meV/atom/ps"


def _small(evidence: Evidence) -> Verdict:
    """A segment without a drift: that of the run is none either, begins later, or takes longer to be seen."""
    base, run = evidence.base.drift, evidence.run
    span = evidence.base.time[-1]
    if run is None or not significant(run):
        told = f"{spell(base)} over {span:.3g} ps repeated" + (f", {spell(run)} over the run" if run else "")
        return Verdict(Origin.NONE, f"No significant drift: {told}.")
    told = f"The run drifts by {spell(run)}, its first {span:.3g} ps by {spell(base)}: "
    if base.low <= run.value <= base.high:
        # The interval of a slope shrinks with the time to the power of 3/2.
        longer = max((base.high - base.low) / abs(run.value), 2.0) ** (2.0 / 3.0)
        steps = round(longer * (len(evidence.base.time) + 2), -2)
        return Verdict(Origin.UNDECIDED, f"{told}too short to say why; repeat with --steps {steps:.0f} or more.")
    return Verdict(Origin.UNDECIDED, f"{told}the drift begins later, or belongs to other replicas than those repeated.")


def _causes(evidence: Evidence) -> Iterator[tuple[Origin, str]]:
    """Those that hold, the one that counts first."""

    def left(changed: Segment | None) -> str | None:
        if changed is None or not removes(changed, evidence.base):
            return None
        drifts = significant(evidence.base.drift)
        return f"leaves {spell(changed.drift)}" if drifts else f"leaves {changed.scatter:.2g} meV/atom"

    if evidence.n_ranks > 1 and evidence.ranks is not None and evidence.ranks > evidence.tolerance:
        yield (
            Origin.RANKS,
            f"forces on several MPI ranks differ from those on one by {100 * evidence.ranks:.2g} % of the rms force; "
            "the model is deeper than its n_layers says",
        )
    if found := left(evidence.lists):
        yield Origin.LISTS, f"a wider skin and neighbor lists checked at every step {found}; pairs were missed"
    cutoff = evidence.cutoff
    if cutoff and cutoff.jumps and (found := left(evidence.without_crossings)):
        yield (
            Origin.CUTOFF,
            f"the energy jumps by {cutoff.energy:.2g} eV when a pair crosses the cutoff of {cutoff.radius:g} Å, and "
            f"taking these jumps out {found}",
        )
    if found := left(evidence.precise):
        yield Origin.PRECISION, f"float64 {found}; float32 loses too many digits"
    if found := left(evidence.quarter):
        yield Origin.INTEGRATION, f"a quarter of the time step {found}; the time step is too large"
    yield from _not_changed(evidence)


def _not_changed(evidence: Evidence) -> Iterator[tuple[Origin, str]]:
    """Causes that no change of the run takes away."""
    if broken := broken_loop(evidence):
        yield Origin.GRADIENT, f"no change of the run takes that away, and {broken}"
    cutoff = evidence.cutoff
    if cutoff and (cutoff.jumps or cutoff.force_jumps):
        yield (
            Origin.CUTOFF,
            f"no change of the run takes that away, and at the cutoff of {cutoff.radius:g} Å the energy jumps by "
            f"{cutoff.energy:.2g} eV and the force by {cutoff.force:.2g} eV/Å",
        )
    yield Origin.UNEXPLAINED, "none of the causes that were tried explains it"


def broken_loop(evidence: Evidence) -> str | None:
    """What is wrong with the forces, in words; None if nothing is, or if jumps at the cutoff would be the reason."""
    opened = [loop for loop in evidence.loops if loop.opens(evidence.tolerance)]
    if opened:
        worst = max(opened, key=lambda loop: loop.work)
        return (
            f"the forces are the gradient of no energy: round a closed loop they do {100 * worst.work:.2g} % of the "
            f"work on the way ({worst.work * worst.path_eV:.2g} eV)"
        )
    wrong = [loop for loop in evidence.loops if loop.mismatches(evidence.tolerance)]
    if wrong and not (evidence.cutoff and evidence.cutoff.jumps):
        worst = max(wrong, key=lambda loop: loop.mismatch)
        return (
            "the forces are not the gradient of the energy reported: along a loop the energy differs from the work by "
            f"{100 * worst.mismatch:.2g} % ({worst.mismatch * worst.path_eV:.2g} eV)"
        )
    return None


def _direct(evidence: Evidence) -> Verdict:
    """A model without an energy: only the forces can be asked."""
    told = "The model predicts forces without an energy, so nothing is conserved"
    kinetic = f"the kinetic energy changes by {spell(evidence.base.drift)}"
    if broken := broken_loop(evidence):
        return Verdict(Origin.GRADIENT, f"{told}: {broken}, and {kinetic}.")
    return Verdict(
        Origin.UNDECIDED, f"{told} that could be followed; round closed loops its forces do no work, {kinetic}."
    )
