// SPDX-License-Identifier: GPL-2.0-or-later
// The tensors of the model-file contract: made from a graph, checked when they come back, differentiated.

#ifndef LAMPION_CONTRACT_H
#define LAMPION_CONTRACT_H

#include "model.h"

#include <torch/script.h>
#include <vector>

namespace lampion {

/// A tensor on the caller's memory, which is not written.
at::Tensor borrow(const void *data, at::IntArrayRef shape, at::ScalarType);

/// What `forward` reads; `edge_vectors` can be differentiated with respect to.
struct Inputs {
  at::Tensor types, edge_index, edge_vectors;
};
Inputs wrap(const GraphView &, at::ScalarType, at::Device);

void require_rows(const at::Tensor &, const char *name, int64_t rows);
void require_energies(const at::Tensor &, int64_t rows, at::ScalarType);
void require_forces(const at::Tensor &, int64_t rows, at::ScalarType);

/// Tensors behind a Result: in double precision on the CPU, of the centers only.
class Kept {
 public:
  /// Energies (n_centers,) and their gradient (n_edges, 3).
  Result gradient(const at::Tensor &energies, const at::Tensor &gradient);
  /// Forces (n_nodes, 3), of which the first `n_centers` rows count.
  Result forces(const at::Tensor &forces, int64_t n_centers);

 private:
  at::Tensor energies_, gradient_, forces_;
};

/// d(sum_k <outputs_k, weights_k>)/d(inputs); zero where the outputs do not depend on an input.
std::vector<at::Tensor> gradients(const std::vector<at::Tensor> &outputs, const std::vector<at::Tensor> &weights,
                                  const std::vector<at::Tensor> &inputs, bool keep_graph = false);

/// The number of edges changes at every step, so code specialised to shapes would be compiled and thrown
/// away. Not off for good: freezing a model relies on it. To be held with `false`.
using Unspecialised = torch::jit::GraphOptimizerEnabledGuard;
}    // namespace lampion

#endif
