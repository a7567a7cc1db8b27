"""Hessians of a model: products with vectors by differentiating the forces once more, and their term of the loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lampion.training.config.training import TrainConfig
from lampion.training.data.graphs import Graph, build_graphs, join
from lampion.training.errors import ConfigError
from lampion.training.labels.hessian_labels import frames_of, read_hessians
from lampion.training.loop.distributed import Team
from lampion.training.models.build import torch_dtype
from lampion.training.models.edges import forces_of
from lampion.training.preparation.statistics import DataStatistics


def hessian_vector_products(model: nn.Module, graph: Graph, vectors: Tensor, *, create_graph: bool = False) -> Tensor:
    """H v with H = ∂²E/∂r∂r, one vector per frame, without ever making H.

    With g = ∂E/∂r_ij of edge i <- j the forces along v are F·v = Σ_edges g·(v_i - v_j), and H v = -∂(F·v)/∂r
    (Pearlmutter 1994, 10.1162/neco.1994.6.1.147).

    Args:
        model: `forward(types, edge_index, edge_vectors) -> node_energies`.
        graph: one or several frames.
        vectors: (n_nodes, 3), Å if they are displacements.
        create_graph: keep the graph, so that a loss on the products can be differentiated.

    Returns:
        (n_nodes, 3), eV/Å² times the unit of the vectors.
    """
    edges = graph.edge_vectors.detach().requires_grad_()
    energy = model(graph.types, graph.edge_index, edges).sum()
    (gradient,) = torch.autograd.grad(energy, edges, create_graph=True)
    center, neighbor = graph.edge_index.unbind(0)
    along = (gradient * (vectors[center] - vectors[neighbor])).sum()
    (slope,) = torch.autograd.grad(along, edges, create_graph=create_graph)
    return forces_of(slope, graph.edge_index, len(vectors))


def hessian(model: nn.Module, graph: Graph) -> Tensor:
    """The whole Hessian of one frame, (3 n, 3 n), eV/Å²: as many products as it has columns, all at once."""
    size = 3 * len(graph.types)
    columns = torch.eye(size, dtype=graph.edge_vectors.dtype, device=graph.edge_vectors.device)
    products = hessian_vector_products(model, join([graph] * size), columns.reshape(-1, 3))
    return products.reshape(size, size).T


@dataclass(frozen=True)
class Products:
    """Frames, one vector for each, and the labelled Hessian times the vector: (n_nodes, 3)."""

    graphs: Sequence[Graph]
    vectors: Tensor
    labels: Tensor


class HessianLoss:
    """L_H = w_H <((H - H_label) v)²> / s², v normal, averaged over components; s is the force scale in eV/Å².

    The mean over v is the squared Frobenius norm of the error over the number of rows, so that random products are an
    unbiased sample of the whole Hessian. Frames and vectors are functions of (seed, step): a resumed run draws alike.

    Args:
        config: its `loss` names the files and the number of products.
        statistics: types and force scale of the model.

    Raises:
        ConfigError: no files.
        DataError: a file that holds no Hessians, or elements the training data do not have.
    """

    def __init__(self, config: TrainConfig, statistics: DataStatistics) -> None:
        if not config.loss.hessian_files:
            raise ConfigError("loss.hessian has a weight, but loss.hessian_files names no file")
        self.config, self.scale = config, statistics.force_scale
        self.dtype = torch_dtype(config.model.dtype)
        self.graphs: list[Graph] = []
        self.labels: list[np.ndarray] = []
        for name in config.loss.hessian_files:
            labelled = read_hessians(Path(name))
            frames = frames_of(labelled, statistics.type_names, name)
            self.graphs += build_graphs(frames, config.model.cutoff, self.dtype)
            self.labels += list(labelled.hessian)

    def draw(self, step: int) -> Products:
        """Random products of one step, or all columns of the Hessian of one frame."""
        rng = np.random.default_rng([self.config.seed, step, 2])
        if self.config.loss.hessian_vectors:
            chosen = rng.integers(len(self.graphs), size=self.config.loss.hessian_vectors).tolist()
            vectors = [rng.normal(size=len(self.labels[f])) for f in chosen]
        else:
            frame = int(rng.integers(len(self.graphs)))
            size = len(self.labels[frame])
            chosen, vectors = [frame] * size, list(np.sqrt(size) * np.eye(size))
        labels = [self.labels[f] @ v for f, v in zip(chosen, vectors, strict=True)]
        return Products([self.graphs[f] for f in chosen], self._tensor(vectors), self._tensor(labels))

    def add_gradients(self, model: nn.Module, step: int, weight: float, team: Team) -> Tensor:
        """Add the gradients of this process's share of the term to `.grad`; return its share of L_H."""
        products = self.draw(step)
        mine = slice(*team.part_of(len(products.graphs)))
        rows = slice(*(sum(len(g.types) for g in products.graphs[:k]) for k in (mine.start, mine.stop)))
        if mine.start == mine.stop:
            return torch.zeros((), device=team.device)
        graph = team.place(join(products.graphs[mine]))
        found = hessian_vector_products(model, graph, products.vectors[rows].to(team.device), create_graph=True)
        error = (found - products.labels[rows].to(team.device)) / self.scale
        loss = weight * error.square().sum() / products.labels.numel()
        loss.backward()
        return loss.detach()

    def _tensor(self, rows: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate(rows).reshape(-1, 3)).to(self.dtype)
