"""What trained weights are compared by, and the last word on the best of them."""

from pathlib import Path

from lampion.training.build import model_of_checkpoint, torch_dtype
from lampion.training.checkpoint import read_checkpoint, write_checkpoint
from lampion.training.config import TrainConfig
from lampion.training.evaluate import evaluate
from lampion.training.frames import Frames
from lampion.training.graphs import build_graphs
from lampion.training.optim import scheduled_weight


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


def add_test_errors(best: Path, test: Frames) -> None:
    """Measure the best model on the frames it has never seen, and keep the errors beside its weights."""
    content = read_checkpoint(best)
    model, config, _ = model_of_checkpoint(content)
    graphs = build_graphs(test, config.model.cutoff, torch_dtype(config.model.dtype))
    write_checkpoint({**content, "test_errors": evaluate(model, graphs).errors}, best)
