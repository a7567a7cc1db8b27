"""Errors of a model, in total and where they come from: per element, per size of the force, per size of the frame."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import ase.units
import numpy as np

from lampion.training.data.frames import Floats
from lampion.training.evaluation.predictions import Parity, labelled_errors, mae, rmse

#: What frames can be grouped by: name -> value of each frame.
GROUPINGS: dict[str, Callable[[Parity], np.ndarray]] = {"size": lambda parity: parity.frame_atoms}


def error_table(parity: Parity, type_names: Sequence[str]) -> dict[str, Any]:
    """All errors of one data set as nested plain values, ready for JSON; None where there are no labels.

    `mae` and `rmse` of energies go over frames, of forces over Cartesian components, of stresses over the nine
    components of the frames that have one. `bias_meV_per_atom` is the mean of prediction minus label.
    """
    return {
        "n_frames": len(parity.frame_atoms),
        "n_atoms": len(parity.types),
        "energy": _energy(parity),
        "forces": _forces(parity, type_names),
        "stress": _stress(parity),
    }


def overall_errors(parity: Parity) -> dict[str, float | None]:
    """`Parity.errors`, ready for JSON."""
    return {name: _number(value) for name, value in parity.errors.items()}


def grouped_tables(parity: Parity, grouping: str) -> list[dict[str, Any]]:
    """Energy and force errors of the frames that share a value of `GROUPINGS[grouping]`, in rising order."""
    values = GROUPINGS[grouping](parity)
    rows = []
    for value in np.unique(values):
        part = parity.select(values == value)
        forces = 1e3 * labelled_errors(part.forces_reference, part.forces_predicted)
        count = {"n_frames": len(part.frame_atoms), "n_atoms": len(part.types)}
        rows.append({grouping: value.item(), **count, "energy": _energy(part), "forces": _spread(forces, "meV_per_A")})
    return rows


def force_bins(parity: Parity) -> list[dict[str, Any]]:
    """Force errors of atoms by the size |F| of their reference force.

    Bins end at 1 and 3 times the powers of ten, so that bins of different data sets are the same bins; the first one
    starts at zero and ends where at least a hundredth of the atoms lies below. `relative_rmse` is the RMSE as a share
    of the root mean square of the reference components in the bin.
    """
    size = np.linalg.norm(parity.forces_reference, axis=1)
    edges = _bin_edges(size[np.isfinite(size)])
    rows = []
    for low, high in pairwise(edges):
        inside = (size >= low) & (size < high)
        if not inside.any():
            continue
        errors = 1e3 * (parity.forces_predicted - parity.forces_reference)[inside]
        scale = 1e3 * rmse(parity.forces_reference[inside])
        bounds = {"from_eV_per_A": float(low), "to_eV_per_A": float(high), "n_atoms": int(inside.sum())}
        relative = rmse(errors) / scale if scale > 0.0 else None
        rows.append({**bounds, **_spread(errors, "meV_per_A"), "relative_rmse": relative})
    return rows


def _bin_edges(sizes: Floats) -> Floats:
    """Zero, then half decades from the first that has 1 % of the sizes below it to the first beyond the largest."""
    if not sizes.size:
        return np.zeros(0)
    grid = np.array([float(f"{factor}e{power}") for power in range(-6, 7) for factor in (1, 3)])
    first = np.searchsorted(grid, np.quantile(sizes, 0.01), side="right")
    last = np.searchsorted(grid, sizes.max(), side="right")
    return np.concatenate([[0.0], grid[first : last + 1]])


def _energy(parity: Parity) -> dict[str, float | None]:
    errors = 1e3 * (parity.energy_predicted - parity.energy_reference)
    there = np.isfinite(parity.energy_reference)
    per_atom, total = errors[there], (errors * parity.frame_atoms)[there]
    return {
        **_spread(total, "meV"),
        **_spread(per_atom, "meV_per_atom"),
        "bias_meV_per_atom": float(per_atom.mean()) if per_atom.size else None,
        "n_frames": int(there.sum()),
    }


def _forces(parity: Parity, type_names: Sequence[str]) -> dict[str, Any]:
    errors = 1e3 * labelled_errors(parity.forces_reference, parity.forces_predicted)
    return {
        **_spread(errors, "meV_per_A"),
        "max_meV_per_A": float(np.abs(errors).max()) if errors.size else None,
        "reference_rms_meV_per_A": _number(1e3 * rmse(parity.forces_reference[np.isfinite(parity.forces_reference)])),
        "n_components": int(errors.size),
        "per_element": _per_element(parity, type_names),
        "per_norm_bin": force_bins(parity),
    }


def _per_element(parity: Parity, type_names: Sequence[str]) -> dict[str, Any]:
    rows, there = {}, np.isfinite(parity.forces_reference).all(axis=1)
    for index, name in enumerate(type_names):
        atoms = there & (parity.types == index)
        if atoms.any():
            errors = 1e3 * labelled_errors(parity.forces_reference[atoms], parity.forces_predicted[atoms])
            rows[name] = {**_spread(errors, "meV_per_A"), "n_atoms": int(atoms.sum())}
    return rows


def _stress(parity: Parity) -> dict[str, Any] | None:
    errors = labelled_errors(parity.stress_reference, parity.stress_predicted)
    if not errors.size:
        return None
    return {
        **_spread(1e3 * errors, "meV_per_A3"),
        **_spread(errors / ase.units.GPa, "GPa"),
        "n_frames": errors.size // 9,
    }


def _spread(errors: Floats, unit: str) -> dict[str, float | None]:
    return {f"mae_{unit}": _number(mae(errors)), f"rmse_{unit}": _number(rmse(errors))}


def _number(value: float) -> float | None:
    """JSON has no NaN: None where there was nothing to average."""
    return value if np.isfinite(value) else None
