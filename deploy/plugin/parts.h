// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_PARTS_H
#define LAMPION_PARTS_H

#include "model.h"

#include <cstdint>
#include <vector>

namespace lampion {

/// Consecutive centers of a graph, their edges, and the atoms that send to them, as a graph of its own.
struct Part {
  int64_t first_center, n_centers, first_edge, n_edges;
  std::vector<int64_t> rows;          ///< of the whole graph: the centers, then the other senders
  std::vector<int64_t> edge_index;    ///< (2, n_edges), both into `rows`
};

/// A graph in parts of `n_edges` edges, rounded up to whole centers, the last with the rest; there is always one.
/// A layer makes tens of tensors of some hundred bytes per edge: those of a part stay in the caches of a core,
/// those of a whole graph pass through the memory that all cores share.
std::vector<Part> cut(const GraphView &, int64_t n_edges);
}    // namespace lampion

#endif
