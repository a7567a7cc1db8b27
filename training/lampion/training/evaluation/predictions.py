"""Predictions of a model beside the labels."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from lampion.training.data.frames import Floats, Ints
from lampion.training.data.graphs import Graph, join
from lampion.training.models.predict import predict

#: Edges evaluated at once: enough to hide the cost of a call, few enough for the caches of a processor core.
BATCH_EDGES = 20_000


@dataclass(frozen=True)
class Parity:
    """Labels and predictions side by side, float64; a label that is not there is NaN.

    Attributes:
        energy_reference, energy_predicted: (n_frames,) eV/atom.
        forces_reference, forces_predicted: (n_atoms, 3) eV/Å, atoms of all frames one after the other.
        stress_reference, stress_predicted: (n_frames, 3, 3) eV/Å³.
        frame_atoms: (n_frames,) atoms of each frame.
        types: (n_atoms,) type index of each atom.
    """

    energy_reference: Floats
    energy_predicted: Floats
    forces_reference: Floats
    forces_predicted: Floats
    stress_reference: Floats
    stress_predicted: Floats
    frame_atoms: Ints
    types: Ints

    @property
    def errors(self) -> dict[str, float]:
        """MAE and RMSE: energies in meV/atom over frames, forces in meV/Å over Cartesian components."""
        energy = 1e3 * labelled_errors(self.energy_reference, self.energy_predicted)
        forces = 1e3 * labelled_errors(self.forces_reference, self.forces_predicted)
        return {
            "energy_mae_meV_per_atom": mae(energy),
            "energy_rmse_meV_per_atom": rmse(energy),
            "forces_mae_meV_per_A": mae(forces),
            "forces_rmse_meV_per_A": rmse(forces),
        }

    @property
    def frame_of_atom(self) -> Ints:
        """(n_atoms,) frame each atom belongs to."""
        return np.repeat(np.arange(len(self.frame_atoms)), self.frame_atoms)

    def select(self, frames: np.ndarray) -> "Parity":
        """The frames a boolean mask of shape (n_frames,) keeps."""
        atoms = frames[self.frame_of_atom]
        per_atom = ("forces_reference", "forces_predicted", "types")
        arrays = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return replace(self, **{name: a[atoms if name in per_atom else frames] for name, a in arrays.items()})


def labelled_errors(reference: Floats, predicted: Floats) -> Floats:
    """Prediction minus label where there is a label, flat; a prediction that is not finite stays in."""
    there = np.isfinite(reference)
    return predicted[there] - reference[there]


def mae(errors: Floats) -> float:
    """Mean absolute error; NaN if there is none."""
    return float(np.abs(errors).mean()) if errors.size else float("nan")


def rmse(errors: Floats) -> float:
    """Root mean square error; NaN if there is none."""
    return float(np.sqrt((errors**2).mean())) if errors.size else float("nan")


def evaluate(model: nn.Module, graphs: Iterable[Graph]) -> Parity:
    """Predict every graph, several frames at a time."""
    # Batches differ in size, and TorchScript would specialise its code for sizes it then never sees again: measured, a
    # minute for the first hundreds of calls. Without it nothing is slower here.
    with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        pieces = [_parity(model, join(batch)) for batch in batches(graphs)]
    return Parity(**{name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]})


def batches(graphs: Iterable[Graph], limit: int = BATCH_EDGES) -> Iterator[Sequence[Graph]]:
    """Consecutive graphs with at most `limit` edges and atoms together; one that is larger goes alone."""
    batch: list[Graph] = []
    size = 0
    for graph in graphs:
        cost = graph.edge_index.shape[1] + len(graph.types)
        if batch and size + cost > limit:
            yield batch
            batch, size = [], 0
        batch.append(graph)
        size += cost
    if batch:
        yield batch


def _parity(model: nn.Module, graph: Graph) -> dict[str, np.ndarray]:
    """Fields of `Parity` for one batch."""
    prediction = predict(model, graph)
    return {
        "energy_reference": _array(graph.energy / graph.n_atoms),
        "energy_predicted": _array(prediction.energy / graph.n_atoms),
        "forces_reference": _array(graph.forces),
        "forces_predicted": _array(prediction.forces),
        "stress_reference": _array(graph.stress),
        "stress_predicted": _array(-prediction.virial / graph.volume.view(-1, 1, 1)),
        "frame_atoms": graph.n_atoms.cpu().numpy().astype(np.int64),
        "types": graph.types.cpu().numpy(),
    }


def _array(values: Tensor) -> Floats:
    return values.detach().cpu().numpy().astype(np.float64)
