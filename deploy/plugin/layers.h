// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_LAYERS_H
#define LAMPION_LAYERS_H

#include "model.h"

#include <torch/script.h>

namespace lampion {

/// A module with `embed` and `layer`, evaluated layer by layer and, on a CPU, each layer in parts of the graph
/// whose intermediate tensors fit the cache. States, and the gradients they are owed, pass between ranks after
/// each layer.
class Layers {
 public:
  Layers(const torch::jit::Module &, int n_layers, at::ScalarType, at::Device);

  struct Output {
    at::Tensor energies;    ///< (n_centers,)
    at::Tensor gradient;    ///< (n_edges, 3) dE/d(edge_vector)
  };
  Output evaluate(const GraphView &, Exchange &);
  /// Largest number of reals in the state of a node, in the evaluations so far.
  int state_width() const { return state_width_; }

 private:
  int64_t edges_per_part() const;

  torch::jit::Module module_;
  int n_layers_;
  at::ScalarType dtype_;
  at::Device device_;
  int state_width_ = 0;
};
}    // namespace lampion

#endif
