"""Energy, forces and stress of a batch from a model that obeys the contract."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lampion.training.data.graphs import Graph
from lampion.training.models.edges import forces_of, sum_into_receivers


class Prediction(NamedTuple):
    """Model output for a batch; of a model that predicts forces directly, energy and virial are zero.

    Attributes:
        energy: (n_frames,) eV, summed in float64.
        forces: (n_nodes, 3) eV/Å.
        virial: (n_frames, 3, 3) eV.
    """

    energy: Tensor
    forces: Tensor
    virial: Tensor


def predict(model: nn.Module, graph: Graph, *, create_graph: bool = False) -> Prediction:
    """Evaluate a model and differentiate its energy with respect to the edge vectors.

    With g = ∂E/∂r_ij of edge i <- j, r_ij = r_j - r_i: forces as in `edges.forces_of`, and W = Σ r_ij ⊗ f_ij with
    f_ij = -g.

    Args:
        model: `forward(types, edge_index, edge_vectors) -> node_energies`, or, if its `conservative` is False,
            `-> forces`.
        graph: one or several frames.
        create_graph: keep the graph, so that a loss on the forces can be differentiated.
    """
    if not getattr(model, "conservative", True):
        return _direct(model, graph, training=create_graph)
    vectors = graph.edge_vectors.detach().requires_grad_()
    node_energies = model(graph.types, graph.edge_index, vectors)
    (gradient,) = torch.autograd.grad(node_energies.sum(), vectors, create_graph=create_graph)
    n_nodes = graph.types.shape[0]
    forces = forces_of(gradient, graph.edge_index, n_nodes)
    pair_virial = -graph.edge_vectors.unsqueeze(2) * gradient.unsqueeze(1)
    node_virial = sum_into_receivers(pair_virial, graph.edge_index, n_nodes)
    virial = torch.zeros_like(graph.stress).index_add(0, graph.frame_of_node, node_virial)
    energy = torch.zeros_like(graph.energy).index_add(0, graph.frame_of_node, node_energies.to(graph.energy.dtype))
    return Prediction(energy, forces, virial)


def _direct(model: nn.Module, graph: Graph, *, training: bool) -> Prediction:
    """Forces as the model returns them; in training seen from a direction that changes with every batch."""
    if training and model.rotate:
        turn = model.next_rotation()  # type: ignore[operator]
        forces = model(graph.types, graph.edge_index, graph.edge_vectors @ turn.T) @ turn
    else:
        forces = model(graph.types, graph.edge_index, graph.edge_vectors)
    return Prediction(torch.zeros_like(graph.energy), forces, torch.zeros_like(graph.stress))
