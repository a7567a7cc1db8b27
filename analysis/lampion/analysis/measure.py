"""Every figure of one run, as a dictionary that can be written to JSON."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lampion.analysis.blocks import Estimate, mean_estimate
from lampion.analysis.drift import energy_drift
from lampion.analysis.fragments import ClosePairs, Composition, Fragments, breakage
from lampion.analysis.msd import diffusion
from lampion.analysis.rdf import Structure
from lampion.analysis.run import Run
from lampion.analysis.trajectory import Trajectory

T = TypeVar("T")
Array = NDArray[np.float64]

_CURVE_POINTS = 1000


class Notes(list[str]):
    """Reasons why a figure could not be had, gathered instead of stopping the analysis."""

    def attempt(self, figure: str, compute: Callable[[], T]) -> T | None:
        """The computed value, or None and a note."""
        try:
            return compute()
        except ValueError as error:
            self.append(f"{figure}: {error}")
            return None


def measure_run(
    run: Run, *, shortest_pairs: Mapping[str, float], expected: Composition | None = None
) -> dict[str, Any]:
    """All figures of one run but g(r), whose range depends on the run it is compared with.

    Args:
        shortest_pairs: pair name -> Å below which a pair is too close; other pairs take the default.
        expected: composition to compare with; default: that of the first frame.
    """
    notes = Notes()
    return {
        **_summary(run),
        **_energies(run, notes),
        **_state(run, notes),
        **_dynamics(run, notes),
        **_geometry(run, shortest_pairs, expected, notes),
        "notes": list(notes),
    }


def _summary(run: Run) -> dict[str, Any]:
    thermo = run.thermo
    return {
        "folder": run.folder.name,
        "complete": run.failure is None,
        "failure": run.failure,
        "lammps_units": thermo.units,
        "n_atoms": run.n_atoms,
        "n_frames": run.trajectory.n_frames if run.trajectory else 0,
        "duration_ps": float(thermo.time[-1] - thermo.time[0]),
        "time_step_ps": thermo.time_step,
        "provenance": run.provenance,
    }


def _energies(run: Run, notes: Notes) -> dict[str, Any]:
    time, energy = run.thermo.time, run.conserved_energy()
    drift = notes.attempt("energy drift", lambda: energy_drift(time, energy))
    if not run.thermo.is_conserved:
        notes.append(
            f"energy drift: not judged, fix {', '.join(run.thermo.baths)} exchanges energy with the atoms; "
            "add `econserve` to thermo_style custom, or run NVE"
        )
    return {
        "conserved_quantity": run.thermo.conserved_name,
        "is_conserved_by_construction": run.thermo.is_conserved,
        "drift_meV_per_atom_per_ps": drift.slope.as_dict() if drift else None,
        "drift_block_length": drift.block_length if drift else None,
        "energy_fluctuation_meV_per_atom": drift.fluctuation if drift else None,
        "energy_curve": _curve(time - time[0], energy - energy[0], "time_ps", "energy_meV_per_atom"),
    }


def _state(run: Run, notes: Notes) -> dict[str, Any]:
    columns, time = run.thermo.columns, run.thermo.time
    found: dict[str, Any] = {"temperature_K": None, "pressure_bar": None, "temperature_curve": None}
    for key, name in (("temperature_K", "Temp"), ("pressure_bar", "Press")):
        if name in columns:
            found[key] = _as_dict(notes.attempt(key, lambda name=name: mean_estimate(columns[name])))  # type: ignore[misc]
    if "Temp" in columns:
        found["temperature_curve"] = _curve(time - time[0], columns["Temp"], "time_ps", "temperature_K")
    return found


def _dynamics(run: Run, notes: Notes) -> dict[str, Any]:
    trajectory = run.trajectory
    if trajectory is None or trajectory.unwrapped is None:
        notes.append("diffusion: the dump has no image flags; write `ix iy iz` with x y z")
        return {"diffusion_A2_per_ps": None, "msd_curve": None}
    positions = trajectory.unwrapped
    found = notes.attempt("diffusion", lambda: diffusion(run.frame_times(trajectory), positions))
    if found is None:
        return {"diffusion_A2_per_ps": None, "msd_curve": None}
    half = len(found.lag) // 2  # beyond half the run, few time origins are left to average over
    return {
        "diffusion_A2_per_ps": {**found.coefficient.as_dict(), "fit_ps": list(found.fit)},
        "msd_curve": _curve(found.lag[:half], found.msd[:half], "lag_ps", "msd_A2"),
    }


def _geometry(
    run: Run, shortest_pairs: Mapping[str, float], expected: Composition | None, notes: Notes
) -> dict[str, Any]:
    trajectory = run.trajectory
    if trajectory is None:
        notes.append("structure: the dump has no good frame")
        return {"close_pairs": None, "fragments": None}
    return {
        "close_pairs": notes.attempt("close pairs", lambda: _close_pairs(run, trajectory, shortest_pairs)),
        "fragments": notes.attempt("fragments", lambda: _fragments(run, trajectory, expected)),
    }


def _close_pairs(run: Run, trajectory: Trajectory, limits: Mapping[str, float]) -> dict[str, Any]:
    found = ClosePairs(trajectory.universe, trajectory.labels, limits).run().results
    times = run.frame_times(trajectory)
    return {
        "count": found.count,
        "n_frames": len(found.frames),
        "first_time_ps": float(times[found.frames[0]]) if found.frames else None,
        "limit_A": found.limits,
        "shortest_A": found.shortest,
    }


def _fragments(run: Run, trajectory: Trajectory, expected: Composition | None) -> dict[str, Any]:
    fragments = Fragments(trajectory.universe, trajectory.labels)
    fragments.require_molecules()
    compositions = fragments.run().results.compositions
    found = breakage(compositions, expected)
    times = run.frame_times(trajectory)
    return {
        "expected": found.expected,
        "n_frames_changed": found.n_frames_changed,
        "first_time_ps": None if found.first_frame is None else float(times[found.first_frame]),
        "seen": found.seen,
    }


def structure_curves(structures: Mapping[str, Structure]) -> dict[str, Any]:
    """g(r) per pair as lists."""
    return {name: {"r_A": s.r.tolist(), "g": s.g.tolist(), "error": s.error.tolist()} for name, s in structures.items()}


def _as_dict(estimate: Estimate | None) -> dict[str, float] | None:
    return estimate.as_dict() if estimate else None


def _curve(x: Array, y: Array, x_name: str, y_name: str) -> dict[str, list[float]]:
    """At most a thousand points of a curve: enough for a picture."""
    stride = max(1, -(-len(x) // _CURVE_POINTS))
    return {x_name: x[::stride].tolist(), y_name: y[::stride].tolist()}
