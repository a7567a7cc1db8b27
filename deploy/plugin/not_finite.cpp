// SPDX-License-Identifier: GPL-2.0-or-later

#include "not_finite.h"

#include "atom.h"

#include <algorithm>
#include <cmath>
#include <limits>

using lampion::Graph;
using lampion::Result;
using lampion::Suspect;

namespace {

bool all_finite(const double *values, int64_t n)
{
  return std::all_of(values, values + n, [](double value) { return std::isfinite(value); });
}

double length(const Graph &graph, int64_t edge)
{
  return std::hypot(graph.edge_vector(edge, 0), graph.edge_vector(edge, 1), graph.edge_vector(edge, 2));
}

// per center: whether its energy, its force, or the gradient of one of its edges, is no number
std::vector<bool> bad_centers(const Graph &graph, const Result &result)
{
  std::vector<bool> bad(graph.n_centers());
  for (int row = 0; row < graph.n_centers(); row++)
    bad[row] = !std::isfinite(result.node_energies[row]) ||
        (result.node_forces && !all_finite(result.node_forces + 3 * row, 3));
  for (int64_t e = 0; result.gradient && e < graph.n_edges(); e++)
    if (graph.center_row(e) < graph.n_centers() && !all_finite(result.gradient + 3 * e, 3))
      bad[graph.center_row(e)] = true;
  return bad;
}
}    // namespace

bool lampion::is_finite(const Graph &graph, const Result &result)
{
  if (result.node_forces) return all_finite(result.node_forces, 3 * graph.n_centers());
  return all_finite(result.node_energies, graph.n_centers()) && all_finite(result.gradient, 3 * graph.n_edges());
}

std::vector<Suspect> lampion::atoms_not_finite(const Graph &graph, const Result &result, const LAMMPS_NS::Atom *atom,
                                               double unit_length)
{
  std::vector<double> nearest(graph.n_centers(), std::numeric_limits<double>::infinity());
  for (int64_t e = 0; e < graph.n_edges(); e++)
    if (graph.center_row(e) < graph.n_centers())
      nearest[graph.center_row(e)] = std::min(nearest[graph.center_row(e)], length(graph, e) * unit_length);
  const auto bad = bad_centers(graph, result);
  std::vector<Suspect> suspects;
  for (int row = 0; row < graph.n_centers(); row++) {
    if (!bad[row]) continue;
    const int i = graph.atom_of_row(row);
    const double *const x = atom->x[i];
    suspects.push_back({static_cast<double>(atom->tag[i]), static_cast<double>(atom->type[i]), {x[0], x[1], x[2]},
                        nearest[row]});
  }
  keep_worst(suspects);
  return suspects;
}
