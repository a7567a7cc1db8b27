"""The zero of energy: a constant per element by which a model and labels differ, found by least squares."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lampion.training.data.frames import count_types
from lampion.training.data.graphs import Graph
from lampion.training.errors import ConfigError
from lampion.training.evaluation.predictions import Parity, evaluate, labelled_errors, rmse


def energy_shifts(parity: Parity, type_names: Sequence[str]) -> dict[str, float]:
    """Least-squares energy per atom of each element, eV, by which predictions exceed labels: min |Σ n s - ΔE|².

    Elements that always occur in one proportion share the shift (smallest norm).
    """
    shifts = _constants(parity, len(type_names), range(len(type_names)))
    present = np.unique(parity.types).tolist()
    return {type_names[index]: float(shifts[index]) for index in present}


def _constants(parity: Parity, n_types: int, free: Sequence[int]) -> NDArray[np.float64]:
    """What the energies of labelled frames are too high by, as constants of the atoms of some types, eV."""
    there = np.isfinite(parity.energy_reference)
    counts = count_types(parity.types, parity.frame_atoms, n_types)[:, list(free)]
    difference = (parity.energy_predicted - parity.energy_reference) * parity.frame_atoms
    return np.asarray(np.linalg.lstsq(counts[there], difference[there], rcond=None)[0])


def without_shifts(parity: Parity, shifts: dict[str, float], type_names: Sequence[str]) -> Parity:
    """The same with the predicted energies lowered by the shift of every atom."""
    per_type = np.array([shifts.get(name, 0.0) for name in type_names])
    counts = count_types(parity.types, parity.frame_atoms, len(type_names))
    return replace(parity, energy_predicted=parity.energy_predicted - counts @ per_type / parity.frame_atoms)


def offset_share(parity: Parity, shifts: dict[str, float], type_names: Sequence[str]) -> float:
    """RMSE of the energies per atom over what is left of it without the shifts; large if a constant is all there is.

    1 where there are too few frames to tell a shift from an error.
    """
    there = np.isfinite(parity.energy_reference)
    if there.sum() < 2 * len(shifts) + 3:
        return 1.0
    aligned = without_shifts(parity, shifts, type_names)
    before = rmse(labelled_errors(parity.energy_reference, parity.energy_predicted))
    return before / max(rmse(labelled_errors(parity.energy_reference, aligned.energy_predicted)), 1e-12)


def fit_energies(model: nn.Module, graphs: Sequence[Graph], free: Sequence[int]) -> None:
    """Move the model's energy per atom of some types to the labels: min |Σ_free n δ - (E_label - E_model)|².

    Args:
        model: with a buffer `shift`, (n_types,).
        graphs: labelled.
        free: the types that move.

    Raises:
        ConfigError: the model adds no energy per type.
    """
    shift = getattr(model, "shift", None)
    if not isinstance(shift, Tensor):
        raise ConfigError("finetune: this architecture has no energies per element to fit to new data")
    constants = _constants(evaluate(model, graphs), len(shift), free)
    shift[list(free)] -= torch.from_numpy(constants).to(shift)
