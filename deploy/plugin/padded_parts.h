// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_PADDED_PARTS_H
#define LAMPION_PADDED_PARTS_H

#include "model.h"

#include <cstdint>
#include <vector>

namespace lampion {

/// Length of an edge that fills up a center, in cutoffs: no such pair interacts.
constexpr double FAR = 2.0;

/// Consecutive centers of a graph and their edges.
struct Range {
  int64_t first_center, n_centers, first_edge, n_edges;
  int64_t width;    ///< edges that each center is given: at least two, and as many as any of them has
};

/// The first `n_centers` centers of a graph in ranges of about `n_edges` edges.
std::vector<Range> cut_ranges(const GraphView &, int64_t n_centers, int64_t n_edges);

/// A range as compiled code reads it: at least two centers, all with equally many edges, where those that do not exist
/// are longer than the cutoff.
template <typename Real> struct Padded {
  std::vector<int64_t> centers;    ///< (n,) rows of the graph
  std::vector<int64_t> senders;    ///< (n width,)
  std::vector<Real> vectors;       ///< (n width, 3)
  std::vector<int64_t> slots;      ///< (n_edges,) where each edge of the range stands

  void fill(const GraphView &, const Range &, double cutoff);
};
}    // namespace lampion

#endif
