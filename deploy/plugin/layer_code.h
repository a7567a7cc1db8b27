// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_LAYER_CODE_H
#define LAMPION_LAYER_CODE_H

#include "padded_parts.h"

#include <cstdint>

namespace lampion {

/// Machine code of the layers of a model, whichever compiler made it. Threads call it at once on different ranges.
///
/// States are (n_nodes, width). What is returned is added: `energies` (n_centers,), `gradient` (n_edges, 3) and `owed`,
/// the derivative with respect to states, in rows of the whole graph.
template <typename Real> class LayerCode {
 public:
  virtual ~LayerCode() = default;
  /// Numbers in a state that `layer` makes.
  virtual int state_width(int layer) = 0;
  /// Edges to evaluate at once, if states have so many numbers.
  virtual int64_t edges_per_part(int state_width) const = 0;
  /// Before the first call on a graph, in one thread.
  virtual void prepare(const GraphView &) {}
  /// Any layer but the last: `made`, states of the range's centers.
  virtual void forward(int layer, const GraphView &, const Range &, int thread, const Real *states, Real *made,
                       double *energies) = 0;
  /// Derivatives of the weighted energies. The first layer reads no states; the last one has made none that are owed
  /// anything, and adds its energies.
  virtual void backward(int layer, const GraphView &, const Range &, int thread, const Real *states,
                        const double *weights, const Real *owed, Real *owed_below, double *gradient,
                        double *energies) = 0;
};
}    // namespace lampion

#endif
