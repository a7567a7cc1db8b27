"""Why a run drifts: the energy that shows it, the probes, and the rule, on series whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import CensoredData, logrank

from lampion.analysis.blocks import Estimate
from lampion.analysis.diagnosis import approach
from lampion.analysis.diagnosis.approach import Approach
from lampion.analysis.diagnosis.crossings import Cutoff, Pull, account
from lampion.analysis.diagnosis.loops import Loop, circle, walk
from lampion.analysis.diagnosis.rules import Evidence, Origin, explain
from lampion.analysis.diagnosis.segments import ACCELERATION, Segment, segment, shadow_energy, significant
from lampion.analysis.stability.control import against

STIFF, MASS = 30.0, 1.0  # eV/Å², g/mol


def verlet(time_step: float, n: int, quartic: float = 0.0) -> dict[str, np.ndarray]:
    """An oscillator with U = k x²/2 + q x⁴, from 0.1 Å at rest; energies in eV at every step."""
    x, v, rows = 0.1, 0.0, []
    force = -STIFF * x - 4 * quartic * x**3
    for _ in range(n):
        kinetic = 0.5 * MASS * v**2 / ACCELERATION
        rows.append((0.5 * STIFF * x**2 + quartic * x**4, kinetic, force**2 / MASS))
        v += 0.5 * time_step * force / MASS * ACCELERATION
        x += time_step * v
        force = -STIFF * x - 4 * quartic * x**3
        v += 0.5 * time_step * force / MASS * ACCELERATION
    pe, ke, pull = np.array(rows).T
    return {"pe": pe, "ke": ke, "pull": pull}


@pytest.mark.parametrize("quartic", [0.0, 200.0])
def test_the_shadow_energy_is_kept_to_the_fourth_power_of_the_time_step(quartic):
    rms = {}
    for parts in (1, 2, 4):
        table = verlet(0.001 / parts, 4000, quartic)
        total = table["pe"] + table["ke"]
        rms[parts] = total.std(), shadow_energy(table["pe"], table["ke"], table["pull"], 0.001 / parts).std()
    plain, shadow = np.array(list(rms.values())).T
    assert plain[0] / plain[2] == pytest.approx(16, rel=0.1)
    assert shadow[0] / shadow[2] == pytest.approx(256, rel=0.2)
    assert shadow[0] < 0.2 * plain[0]


def test_a_drift_hidden_by_the_swing_of_the_energy_is_found():
    """1 ps at 1 fs, energy that swings by 1.5 meV: a drift of 0.05 meV/ps, far below what K + U shows."""
    table = verlet(0.001, 1000)
    table["pe"] += 5e-5 * 0.001 * np.arange(1000)
    found = segment("base", table, 0.001, 1)
    assert found.fluctuation > 1.0
    assert found.drift.value == pytest.approx(0.05, rel=0.1)
    assert significant(found.drift)
    assert not significant(segment("sound", verlet(0.001, 1000), 0.001, 1).drift)


def quartic_energy(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of points (n, d): Σ x⁴ + (Σ x)², and forces."""
    total = x.sum(axis=1)
    return (x**4).sum(axis=1) + total**2, -4 * x**3 - 2 * total[:, None]


def test_a_gradient_does_no_work_round_a_loop():
    shifts, tangents = circle(6, 24, 0.3, seed=1)
    energy, forces = quartic_energy(shifts + 0.5)
    loop = walk(forces, tangents, energy)
    assert max(loop.work, loop.mismatch) < 1e-12
    wrong = walk(1.1 * forces, tangents, energy)  # the gradient of another energy
    assert wrong.work < 1e-12
    assert wrong.mismatch > 0.01
    assert wrong.mismatches(1e-5)
    assert not wrong.opens(1e-5)


def test_work_of_a_rotating_field_is_that_of_quadrature():
    rng = np.random.default_rng(2)
    matrix = rng.normal(size=(6, 6))
    field = 0.3 * (matrix - matrix.T)
    shifts, tangents = circle(6, 24, 0.3, seed=1)
    energy, forces = quartic_energy(shifts)
    loop = walk(forces + shifts @ field, tangents, energy)
    # x(a) = (cos a - 1) u + sin a v, from the points at a half turn and a quarter turn
    u, v = -shifts[12] / 2, shifts[6] + -shifts[12] / 2

    def power(a: float) -> float:
        x, t = (np.cos(a) - 1) * u + np.sin(a) * v, np.cos(a) * v - np.sin(a) * u
        return float(x @ field @ t)

    expected = quad(power, 0, 2 * np.pi)[0]
    assert loop.work * loop.path_eV == pytest.approx(abs(expected), rel=1e-9)
    assert loop.opens(1e-5)


def test_few_points_of_a_rough_force_are_noise_and_no_verdict():
    shifts, tangents = circle(2, 24, 1.0, seed=1)
    rough = np.sign(np.sin(11 * shifts))  # along each axis a gradient, but no smooth one
    loop = walk(rough, tangents, None)
    assert loop.noise > 1e-3
    assert not Loop(5 * loop.noise, 0.0, loop.noise, 1.0).opens(1e-5)


def wandering(n: int, seed: int) -> np.ndarray:
    """Numbers of pairs that come and go."""
    rng = np.random.default_rng(seed)
    return rng.integers(-1, 2, size=(n, 2)).cumsum(axis=0).astype(float)


def test_jumps_at_the_cutoff_are_put_down_to_the_pairs_that_cross():
    counts, n = wandering(2000, 1), 2000
    table = verlet(0.0002, n)
    table["pe"] += counts @ [1e-3, -4e-4]
    found = account(shadow_energy(table["pe"], table["ke"], table["pull"], 0.0002), counts)
    assert found.share > 0.99
    np.testing.assert_allclose(found.correction, (counts - counts[0]) @ [1e-3, -4e-4], atol=1e-4)
    before, after = (segment("", table, 0.0002, 1, correction) for correction in (None, found.correction))
    assert after.scatter < 0.02 * before.scatter


def test_pairs_that_wander_beside_a_drift_do_not_explain_it():
    """Both series trend; regression of their values would find a connection."""
    counts = wandering(2000, 2) + 0.05 * np.arange(2000).round()[:, None]
    table = verlet(0.0002, 2000)
    table["pe"] += 1e-6 * np.arange(2000)
    found = account(shadow_energy(table["pe"], table["ke"], table["pull"], 0.0002), counts)
    assert found.share < 0.05
    drift = segment("", table, 0.0002, 1, found.correction).drift.value
    assert drift == pytest.approx(segment("", table, 0.0002, 1).drift.value, rel=0.3)


# -- the rule ----------------------------------------------------------------------------------------------------------


def of(slope: float, half: float = 0.001, scatter: float = 1e-4, time_step: float = 0.001) -> Segment:
    """A segment of that drift; scatter beside it."""
    time = time_step * np.arange(1, 1001)
    rest = np.sqrt(2) * scatter * np.sin(2 * np.pi * 40 * time)
    shadow = slope * time + rest
    return Segment("", time_step, time, shadow, np.zeros(1002), Estimate(slope, slope - half, slope + half))


SOUND = Loop(1e-9, 1e-9, 1e-12, 0.1)
SMOOTH = Cutoff(6.0, [Pull("Ar-Ar", 6.1, 1e-9, 1e-9)], 0.1)
JUMP = Cutoff(6.0, [Pull("Ar-Ar", 6.1, -2e-3, 1e-3)], 0.1)
DRIFTING = Evidence(
    run=None, base=of(0.05), half=of(0.05), quarter=of(0.05), double=of(0.06), lists=of(0.05), precise=of(0.05),
    cutoff=SMOOTH, loops=[SOUND], ranks=1e-9,
)  # fmt: skip
WANDERING = replace(
    DRIFTING, **{name: of(0.0, 0.1, scatter=0.1) for name in ("base", "half", "quarter", "lists", "precise")}
)

CASES = {
    "ranks": ({"n_ranks": 2, "ranks": 0.02}, Origin.RANKS),
    "ranks, but the run had one": ({"ranks": 0.02}, Origin.UNEXPLAINED),
    "lists": ({"lists": of(0.0)}, Origin.LISTS),
    "cutoff": ({"cutoff": JUMP, "without_crossings": of(0.0)}, Origin.CUTOFF),
    "precision": ({"precise": of(0.001)}, Origin.PRECISION),
    "time step": ({"quarter": of(0.002)}, Origin.INTEGRATION),
    "precision goes before the time step": ({"precise": of(0.0), "quarter": of(0.0)}, Origin.PRECISION),
    "half of it left": ({"quarter": of(0.025), "precise": of(0.025)}, Origin.UNEXPLAINED),
    "unsure": ({"quarter": of(0.0, half=0.06)}, Origin.UNEXPLAINED),
    "open loop": ({"loops": [SOUND, Loop(0.01, 0.01, 1e-9, 0.1)]}, Origin.GRADIENT),
    "other energy": ({"loops": [Loop(1e-9, 0.3, 1e-9, 0.1)]}, Origin.GRADIENT),
    "other energy, but the cutoff jumps": ({"loops": [Loop(1e-9, 0.3, 1e-9, 0.1)], "cutoff": JUMP}, Origin.CUTOFF),
    "force jumps": ({"cutoff": Cutoff(6.0, [Pull("Ar-Ar", 6.1, 0.0, 1e-3)], 0.1)}, Origin.CUTOFF),
    "nothing": ({}, Origin.UNEXPLAINED),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_rule_names_the_cause(case):
    changes, expected = CASES[case]
    verdict = explain(replace(DRIFTING, **changes))
    assert verdict.origin is expected, verdict.sentence
    assert verdict.sentence.startswith("The energy drifts by 0.05 (0.049 to 0.051) meV/atom/ps: ")


def test_an_energy_that_wanders_without_a_drift_has_a_cause_too():
    assert explain(WANDERING).origin is Origin.UNEXPLAINED
    assert explain(WANDERING).sentence.startswith("The energy wanders by 0.1 meV/atom, whatever the time step")
    assert explain(replace(WANDERING, precise=of(0.0, scatter=1e-6))).origin is Origin.PRECISION
    # the swing of a sound run falls with the time step
    assert explain(replace(WANDERING, quarter=of(0.0, 0.1, scatter=4e-4))).origin is Origin.NONE


def test_a_run_that_its_segment_does_not_repeat_is_not_judged():
    still = replace(DRIFTING, base=of(0.0, half=0.04), run=Estimate(0.03, 0.02, 0.04))
    assert explain(still).origin is Origin.UNDECIDED
    assert "too short to say why; repeat with --steps 1900 or more" in explain(still).sentence
    later = replace(still, base=of(0.0, half=0.001))
    assert explain(later).origin is Origin.UNDECIDED
    assert "the drift begins later" in explain(later).sentence
    assert explain(replace(still, run=Estimate(0.03, -0.02, 0.08))).origin is Origin.NONE
    # significant and too small to matter
    assert explain(replace(DRIFTING, base=of(0.0015))).origin is Origin.NONE


def test_direct_forces_are_judged_by_their_loops_alone():
    direct = replace(DRIFTING, conservative=False, quarter=of(0.0), loops=[Loop(0.02, 0.0, 1e-9, 0.1)])
    assert explain(direct).origin is Origin.GRADIENT
    assert explain(replace(direct, loops=[SOUND])).origin is Origin.UNDECIDED


# -- before a failure --------------------------------------------------------------------------------------------------

TIME = np.linspace(-0.05, 0.0, 26)


def growing(factor: float, first: float = 0.02) -> Approach:
    return Approach(1, "hydrogen loss", TIME, forces=first * factor ** np.linspace(0, 1, 26), scale=2.0)


def test_the_error_on_the_way_to_a_failure_in_words():
    fails = approach.summary([growing(50.0), growing(40.0)])
    assert (fails["failures"], fails["n_growing"]) == (2, 2)
    assert 20 < fails["growth"] < 50
    assert "the model fails there" in approach.sentence(fails)
    assert "do not show the model going wrong" in approach.sentence(approach.summary([growing(1.5)]))
    assert "wrong all along" in approach.sentence(approach.summary([growing(1.5, first=1.5)]))


def test_when_a_replica_leaves_the_training_set_for_good():
    novelty = np.where(TIME < -0.019, 0.5, 2.0)
    novelty[3] = 1.5  # and comes back
    left = Approach(1, "explosion", TIME, novelty=novelty)
    assert left.outside == pytest.approx(0.018)
    assert "which they leave 18 fs before they fail" in approach.sentence(approach.summary([left]))
    stays = Approach(2, "explosion", TIME, novelty=np.full(26, 0.5))
    assert stays.outside == 0.0
    assert "within the reach of the training set" in approach.sentence(approach.summary([stays]))


def test_the_control_takes_its_own_drift_from_that_of_the_model():
    rng = np.random.default_rng(4)
    common = rng.normal(0.0, 1.0, 60)  # of the starts

    def figures(extra: float, n_failed: int) -> dict:
        slopes = common + extra + 0.01 * rng.normal(size=60)
        rows = [
            {"replica": r, "time_ps": 5.0, "cause": "explosion"}
            if r < n_failed
            else {"replica": r, "time_ps": 100.0, "cause": None, "drift": float(slopes[r])}
            for r in range(60)
        ]
        same = {"replicas": 60, "failures": n_failed, "failure_probability": {"text": ""}, "causes": {}, "drift": None}
        return {"times": rows, **same}

    found = against(figures(0.05, 20), figures(0.0, 2))
    difference = found["drift_difference"]
    assert difference["n_replicas"] == 40
    assert difference["low"] < 0.05 < difference["high"]
    assert difference["high"] - difference["low"] < 0.02  # although the drifts themselves spread by 1
    expected = logrank(
        CensoredData(uncensored=np.full(20, 5.0), right=np.full(40, 100.0)),
        CensoredData(uncensored=np.full(2, 5.0), right=np.full(58, 100.0)),
    ).pvalue
    assert found["p"] == pytest.approx(expected)
    assert against(figures(0.0, 60), figures(0.0, 0))["drift_difference"] is None
