// SPDX-License-Identifier: GPL-2.0-or-later

#include "padded_parts.h"

#include <algorithm>

namespace {

constexpr int64_t LEAST = 2;    // compiled code takes a size of one for a constant
}    // namespace

std::vector<lampion::Range> lampion::cut_ranges(const GraphView &graph, int64_t n_centers, int64_t n_edges)
{
  std::vector<Range> ranges;
  int64_t edge = 0;
  for (int64_t center = 0; center < n_centers;) {
    Range range{center, 0, edge, 0, LEAST};
    do {
      const int64_t start = edge;
      while (edge < graph.n_edges && graph.edge_index[edge] == center) edge++;
      range.width = std::max(range.width, edge - start);
      center++;
    } while (center < n_centers && edge - range.first_edge < n_edges);
    range.n_centers = center - range.first_center;
    range.n_edges = edge - range.first_edge;
    ranges.push_back(range);
  }
  return ranges;
}

template <typename Real> void lampion::Padded<Real>::fill(const GraphView &graph, const Range &range, double cutoff)
{
  const int64_t n = std::max(range.n_centers, LEAST);
  centers.assign(n, range.first_center);
  for (int64_t k = 0; k < range.n_centers; k++) centers[k] += k;
  senders.assign(n * range.width, range.first_center);
  vectors.assign(3 * n * range.width, Real(0));
  for (int64_t slot = 0; slot < n * range.width; slot++) vectors[3 * slot] = static_cast<Real>(FAR * cutoff);
  slots.resize(range.n_edges);

  const int64_t *const center_of = graph.edge_index + range.first_edge;
  const int64_t *const sender_of = center_of + graph.n_edges;
  const Real *const vector_of = static_cast<const Real *>(graph.edge_vectors) + 3 * range.first_edge;
  int64_t first = 0;    // edge of the same center
  for (int64_t e = 0; e < range.n_edges; e++) {
    if (center_of[e] != center_of[first]) first = e;
    const int64_t slot = (center_of[e] - range.first_center) * range.width + e - first;
    slots[e] = slot;
    senders[slot] = sender_of[e];
    std::copy_n(vector_of + 3 * e, 3, &vectors[3 * slot]);
  }
}

template struct lampion::Padded<float>;
template struct lampion::Padded<double>;
