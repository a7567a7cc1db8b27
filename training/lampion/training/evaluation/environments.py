"""Fingerprints of atomic environments: invariant under rotation, reflection, translation and exchange of like atoms.

The smooth overlap of atomic positions (SOAP: Bartók, Kondor, Csányi 2013, 10.1103/PhysRevB.87.184115), compressed so
that its length grows with the number of elements, not with its square (one side of the spectrum summed over elements:
Darby, Kermode, Csányi 2022, 10.1038/s41524-022-00847-y):

    c_i[t, n, l, m] = Σ_{j of type t} R_n(r_ij) Y_lm(r̂_ij),    p_i[t, n, n', l] = Σ_m c[t, n, l, m] Σ_t' c[t', n', l, m]

The atom itself counts as a neighbour at distance zero, so that an atom alone has a fingerprint too.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lampion.training.data.graphs import Graph, join
from lampion.training.evaluation.predictions import batches
from lampion.training.models.radial import smooth_cutoff
from lampion.training.models.so3 import n_components, spherical_harmonics

L_MAX = 3
N_RADIAL = 5


def fingerprints(graphs: Sequence[Graph], n_types: int, cutoff: float) -> Tensor:
    """Normalised fingerprints of all atoms of all graphs, (n_atoms, n_features), float64."""
    return torch.cat([_spectrum(join(batch), n_types, cutoff) for batch in batches(graphs)])


def _spectrum(graph: Graph, n_types: int, cutoff: float) -> Tensor:
    density = _density(graph, n_types, cutoff)
    total = density.sum(dim=1)
    blocks = [
        torch.einsum("itnm,ikm->itnk", density[..., l * l : (l + 1) ** 2], total[..., l * l : (l + 1) ** 2])
        for l in range(L_MAX + 1)  # noqa: E741 - the degree is called l
    ]
    spectrum = torch.stack(blocks, dim=-1).flatten(start_dim=1)
    return torch.nn.functional.normalize(spectrum, dim=1)


def _density(graph: Graph, n_types: int, cutoff: float) -> Tensor:
    """Expansion c, (n_nodes, n_types, N_RADIAL, (L_MAX + 1)²)."""
    vectors = graph.edge_vectors.double()
    distances = vectors.norm(dim=1)
    harmonics = spherical_harmonics(L_MAX, vectors / distances.unsqueeze(1))
    terms = _radial(distances, cutoff).unsqueeze(2) * harmonics.unsqueeze(1)
    n_nodes = len(graph.types)
    center, neighbor = graph.edge_index.unbind(0)
    flat = torch.zeros(n_nodes * n_types, N_RADIAL, n_components(L_MAX), dtype=torch.float64)
    flat.index_add_(0, center * n_types + graph.types[neighbor], terms)
    own = torch.arange(n_nodes) * n_types + graph.types
    flat[own, :, 0] += _radial(torch.zeros(1, dtype=torch.float64), cutoff)
    return flat.view(n_nodes, n_types, N_RADIAL, -1)


def _radial(distances: Tensor, cutoff: float) -> Tensor:
    """Gaussians of width cutoff / N_RADIAL on an even grid, under the envelope of potentials: (n_edges, N_RADIAL)."""
    width = cutoff / N_RADIAL
    centers = width * torch.arange(N_RADIAL, dtype=torch.float64)
    shapes = torch.exp(-0.5 * ((distances.unsqueeze(1) - centers) / width) ** 2)
    return shapes * smooth_cutoff(distances, cutoff).unsqueeze(1)
