// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_COMPILED_LAYERS_H
#define LAMPION_COMPILED_LAYERS_H

#include "layer_code.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace lampion {

/// A model in layers, evaluated on a graph part by part, the parts shared among threads. States, and the derivatives they
/// are owed, pass between ranks after each layer.
template <typename Real> class CompiledLayers {
 public:
  CompiledLayers(std::unique_ptr<LayerCode<Real>>, int n_layers);

  /// Rows 0 .. n_centers-1 are computed, with energies weighted by `weights` (n_centers,).
  void evaluate(const GraphView &, const std::vector<double> &weights, Exchange &);
  const std::vector<double> &energies() const { return energies_; }    ///< (n_centers,), not weighted
  const std::vector<double> &gradient() const { return gradient_; }    ///< (n_edges, 3)
  int state_width() const;

 private:
  /// States of all nodes that a layer reads, and what its derivatives owe them.
  struct States {
    int width = 0;
    std::vector<Real> rows;
    std::vector<std::vector<Real>> owed;    ///< of each thread

    void resize(int64_t n_nodes, int n_threads);
    void add_up();
  };
  template <typename Action> void for_each_range(Action &&);
  void forward(int layer, const GraphView &, const Range &, int thread);
  void backward(int layer, const GraphView &, const Range &, int thread, const std::vector<double> &weights);

  std::unique_ptr<LayerCode<Real>> code_;
  int last_, n_threads_;
  std::vector<Range> ranges_;
  std::vector<States> states_;    ///< [k] is read by layer k; [0] is empty
  std::vector<double> energies_, gradient_;
};
}    // namespace lampion

#endif
