"""The verdict: figures of the learned run beside those of the reference run, with a criterion each."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lampion.analysis.criteria import Criterion, judge
from lampion.analysis.definitions import DEFINITIONS
from lampion.analysis.files import write_atomically
from lampion.analysis.measure import Notes, measure_run, structure_curves
from lampion.analysis.rdf import Structure, expected_noise, largest_radius, mean_absolute_error, pair_structures
from lampion.analysis.run import Run, load_energies, load_run
from lampion.analysis.timestep import timestep_law

FORMAT = "lampion-analysis/1"


@dataclass(frozen=True)
class Options:
    """Limits of the criteria and what the files may not say.

    Attributes:
        elements: element of LAMMPS types 1, 2, ...; None: from dump or log.
        shortest_pairs: pair name (`Ar-Ar`) -> Å below which a pair is too close; other pairs: 0.7 covalent radii.
        drift_limit: meV/atom/ps.
        rdf_limit: largest mean absolute error of g(r).
        timestep_limit: largest deviation from the dt² law.
    """

    elements: tuple[str, ...] | None = None
    shortest_pairs: dict[str, float] = field(default_factory=dict)
    drift_limit: float = 0.002
    rdf_limit: float = 0.02
    timestep_limit: float = 0.25


def analyze_run(
    run: Path,
    reference: Path | None = None,
    *,
    timestep_runs: Sequence[Path] = (),
    reference_timestep_runs: Sequence[Path] = (),
    options: Options | None = None,
) -> dict[str, Any]:
    """Judge a run folder, if given beside a run of the reference potential.

    Args:
        run: folder with `log.lammps` and one dump.
        reference: folder of the same run with the reference potential.
        timestep_runs: folders of runs that differ only in the time step (logs suffice); likewise for the reference.
    Returns:
        The content of `analysis.json`; only numbers, strings, lists and dictionaries. A run that failed is analysed as
        far as it goes and fails the criterion `complete`.
    Raises:
        RunError: a folder holds no run that can be read.
    """
    chosen = options or Options()
    notes = Notes()
    learned_run = load_run(run, elements=chosen.elements)
    reference_run = load_run(reference, elements=chosen.elements) if reference else None
    reference_figures = measure_run(reference_run, shortest_pairs=chosen.shortest_pairs) if reference_run else None
    learned_figures = measure_run(
        learned_run, shortest_pairs=chosen.shortest_pairs, expected=_composition(reference_figures)
    )
    figures = {
        "learned": learned_figures,
        "reference": reference_figures,
        "rdf": _structures(learned_run, reference_run, notes),
        "timestep_law": {
            "learned": _law(timestep_runs, notes),
            "reference": _law(reference_timestep_runs, notes),
        },
        "notes": notes,
    }
    return _analysis(figures, chosen)


def _analysis(figures: dict[str, Any], options: Options) -> dict[str, Any]:
    """The figures most asked for first, then the criteria, then everything."""
    criteria = judge(figures, drift=options.drift_limit, rdf=options.rdf_limit, timestep=options.timestep_limit)
    sides = {"learned": figures["learned"], "reference": figures["reference"] or {}}
    return {
        "format": FORMAT,
        "passed": all(criterion.passed is not False for criterion in criteria),
        **{
            key: {side: values.get(key) for side, values in sides.items()}
            for key in ("drift_meV_per_atom_per_ps", "close_pairs", "fragments")
        },
        "rdf_mae": figures["rdf"]["mae"],
        "rdf_noise": figures["rdf"]["noise"],
        "criteria": [asdict(criterion) for criterion in criteria],
        **figures,
        "limits": {"drift": options.drift_limit, "rdf": options.rdf_limit, "timestep": options.timestep_limit},
        "units": "Å, eV (meV where named), ps, K, bar",
        "definitions": DEFINITIONS,
    }


def _composition(figures: dict[str, Any] | None) -> dict[str, int] | None:
    """What the reference run starts from, which is what the learned run must keep."""
    fragments = figures["fragments"] if figures else None
    return fragments["expected"] if fragments else None


def _structures(learned: Run, reference: Run | None, notes: Notes) -> dict[str, Any]:
    """g(r) of both runs over the same range of r, and how far apart they are."""
    runs = [learned, reference] if reference else [learned]
    trajectories = [run.trajectory for run in runs if run.trajectory is not None and all(run.trajectory.periodic)]
    empty: dict[str, Any] = {"learned": {}, "reference": {}, "mae": None, "noise": None, "mae_per_pair": {}}
    if len(trajectories) < len(runs):
        notes.append("g(r): needs frames of a box that is periodic in all directions")
        return empty
    r_max = min(largest_radius(t.universe.trajectory.dimensions_array) for t in trajectories)
    found = [
        notes.attempt("g(r)", lambda t=t: pair_structures(t.universe, t.labels, r_max=r_max))  # type: ignore[misc]
        for t in trajectories
    ]
    curves = [structure_curves(structures or {}) for structures in found]
    compared = _compare(found[0] or {}, found[1] or {}) if len(found) == 2 else {}
    return {**empty, **dict(zip(("learned", "reference"), curves, strict=False)), **compared}


def _compare(learned: dict[str, Structure], reference: dict[str, Structure]) -> dict[str, Any]:
    """Errors per pair; the largest one and the noise of that pair stand for the run."""
    errors = {name: mean_absolute_error(learned[name], reference[name]) for name in learned if name in reference}
    if not errors:
        return {}
    worst = max(errors, key=lambda name: errors[name])
    return {"mae": errors[worst], "noise": expected_noise(learned[worst], reference[worst]), "mae_per_pair": errors}


def _law(folders: Sequence[Path], notes: Notes) -> dict[str, Any] | None:
    """The dt² law over the folders, its deviation None if the energies do not allow one; None without folders."""
    if not folders:
        return None
    runs = [load_energies(folder) for folder in folders]
    failed = [f"{run.folder.name}: {run.failure}" for run in runs if run.failure]
    notes.extend(f"dt² law: {failure}" for failure in failed)
    law = notes.attempt(
        "dt² law", lambda: timestep_law([r.thermo.time_step for r in runs], [r.conserved_energy() for r in runs])
    )
    return {
        "deviation": law.deviation if law else None,
        "time_step_ps": law.time_step.tolist() if law else [],
        "fluctuation_meV_per_atom": law.fluctuation.tolist() if law else [],
        "all_complete": not failed,
    }


def verdict_table(analysis: dict[str, Any]) -> list[Criterion]:
    """Rows of the verdict for a terminal or a page: texts, and `passed` (None: for information or not judged)."""
    return [Criterion(**row) for row in analysis["criteria"]]


def write_analysis(analysis: dict[str, Any], path: Path) -> None:
    """Write `analysis.json`, whole or not at all."""
    write_atomically(path, json.dumps(analysis, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
