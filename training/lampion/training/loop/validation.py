"""What trained weights are compared by, and the last word on the best of them."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from lampion.training.config.training import TrainConfig
from lampion.training.data.frames import Frames
from lampion.training.data.graphs import GraphSet, build_graphs
from lampion.training.evaluation.energy_shift import fit_energies
from lampion.training.evaluation.predictions import evaluate
from lampion.training.loop.checkpoint import read_checkpoint, write_checkpoint
from lampion.training.loop.optim import scheduled_weight
from lampion.training.models.build import model_of_checkpoint, torch_dtype

#: of the training set, evenly spread: enough for a constant per element
FITTED_FRAMES = 1000


def score(config: TrainConfig, errors: dict[str, float], force_scale: float) -> float:
    """The error `stop_on` names; for `loss` the mean squared errors of energy and forces with the final weights.

    Args:
        config: of the training.
        errors: of `Parity.errors`, meV.
        force_scale: eV/Å.
    """
    if config.stop_on != "loss":
        return next(value for name, value in errors.items() if name.startswith(config.stop_on))
    loss, unit = config.loss, 1e3 * force_scale
    terms = ((loss.energy, "energy_rmse_meV_per_atom"), (loss.forces, "forces_rmse_meV_per_A"))
    return sum(scheduled_weight(weight, 1.0) * (errors[name] / unit) ** 2 for weight, name in terms if weight)


def finish(best: Path, train: GraphSet, valid: GraphSet, test: Frames) -> None:
    """Settle the energies of the best model, measure it on the frames it has never seen, keep the errors beside it.

    Weights that are averages of weights, chosen by forces above all, leave the energies of all frames off by nearly
    the same constant. Energies per element that are no one's but the training's are fitted to training frames once
    more, and kept if the validation frames agree.
    """
    content = read_checkpoint(best)
    model, config, _ = model_of_checkpoint(content)
    if isinstance(getattr(model, "shift", None), Tensor) and _are_free(config):
        content |= _with_fitted_energies(model, train, valid, content["valid_errors"])
    graphs = build_graphs(test, config.model.cutoff, torch_dtype(config.model.dtype))
    write_checkpoint({**content, "test_errors": evaluate(model, graphs).errors}, best)


def _are_free(config: TrainConfig) -> bool:
    """Whether energies per element come from these labels: not from isolated atoms, nor from an earlier training."""
    continued = config.finetune.checkpoint is not None and not config.finetune.refit_energies
    return config.data.energies == "least_squares" and not continued


def _with_fitted_energies(
    model: nn.Module, train: GraphSet, valid: GraphSet, before: dict[str, float]
) -> dict[str, dict[str, Any]]:
    """Weights and validation errors after the fit; the model is left with the better energies of the two."""
    earlier = deepcopy(model.state_dict())
    some = np.unique(np.linspace(0, len(train) - 1, FITTED_FRAMES).astype(int))
    fit_energies(model, [train[i] for i in some.tolist()], range(len(model.shift)))  # type: ignore[arg-type]
    errors = evaluate(model, valid).errors
    if errors["energy_rmse_meV_per_atom"] >= before["energy_rmse_meV_per_atom"]:
        model.load_state_dict(earlier)
        return {}
    return {"ema": model.state_dict(), "valid_errors": errors}
