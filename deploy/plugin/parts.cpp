// SPDX-License-Identifier: GPL-2.0-or-later

#include "parts.h"

#include <algorithm>

namespace {

using lampion::GraphView;
using lampion::Part;

// Centers from `first_center` on until there are enough edges or none are left.
Part next_part(const GraphView &graph, int64_t first_center, int64_t first_edge, int64_t enough)
{
  const int64_t *const center_of = graph.edge_index;
  int64_t end = std::min(first_edge + enough, graph.n_edges);
  while (end > first_edge && end < graph.n_edges && center_of[end] == center_of[end - 1]) end++;
  const int64_t end_center = end < graph.n_edges ? center_of[end] : graph.n_centers;
  return {first_center, end_center - first_center, first_edge, end - first_edge, {}, {}};
}

// `row_in_part` holds -1 for all nodes, before and after.
void number_rows(Part &part, const GraphView &graph, std::vector<int64_t> &row_in_part)
{
  const auto row_of = [&](int64_t node) {
    if (row_in_part[node] < 0) {
      row_in_part[node] = static_cast<int64_t>(part.rows.size());
      part.rows.push_back(node);
    }
    return row_in_part[node];
  };
  for (int64_t k = 0; k < part.n_centers; k++) row_of(part.first_center + k);
  part.edge_index.resize(2 * part.n_edges);
  for (int64_t e = 0; e < part.n_edges; e++) {
    part.edge_index[e] = graph.edge_index[part.first_edge + e] - part.first_center;
    part.edge_index[part.n_edges + e] = row_of(graph.edge_index[graph.n_edges + part.first_edge + e]);
  }
  for (const int64_t node : part.rows) row_in_part[node] = -1;
}
}    // namespace

std::vector<Part> lampion::cut(const GraphView &graph, int64_t n_edges)
{
  std::vector<Part> parts;
  std::vector<int64_t> row_in_part(graph.n_nodes, -1);
  int64_t center = 0, edge = 0;
  do {
    parts.push_back(next_part(graph, center, edge, n_edges));
    number_rows(parts.back(), graph, row_in_part);
    center += parts.back().n_centers;
    edge += parts.back().n_edges;
  } while (center < graph.n_centers);
  return parts;
}
