// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_COMPILED_LAYERS_H
#define LAMPION_COMPILED_LAYERS_H

#include "machine_code.h"
#include "padded_parts.h"

#include <cstdint>
#include <vector>

namespace lampion {

/// The functions of a model in layers, evaluated on a graph part by part, the parts shared among threads. States, and
/// the derivatives they are owed, pass between ranks after each layer.
template <typename Real> class CompiledLayers {
 public:
  CompiledLayers(const MachineCode &, int n_layers, double cutoff);

  /// Rows 0 .. n_centers-1 are computed, with energies weighted by `weights` (n_centers,).
  void evaluate(const GraphView &, const std::vector<double> &weights, Exchange &);
  const std::vector<double> &energies() const { return energies_; }    ///< (n_centers,), not weighted
  const std::vector<double> &gradient() const { return gradient_; }    ///< (n_edges, 3)
  int state_width() const;

 private:
  struct Scratch {
    Padded<Real> part;
    std::vector<Real> weights, owed;
  };
  /// States of all nodes that a layer reads, and what its derivatives owe them.
  struct States {
    std::vector<int64_t> shape;    ///< of one state
    int width = 0;
    std::vector<Real> rows;
    std::vector<std::vector<Real>> owed;    ///< of each thread

    void resize(int64_t n_nodes, int n_threads);
    void add_up();
  };
  template <typename Action> void for_each_range(Action &&);
  std::vector<at::Tensor> arguments(int layer, const Range &, Scratch &);
  void forward(int layer, const Range &, int thread);
  void backward(int layer, const Range &, int thread, const std::vector<double> &weights);
  void add_energies(const Range &, const at::Tensor &energies);
  at::Tensor weights_of(const Range &, Scratch &, const std::vector<double> &weights);
  at::Tensor owed_to(const Range &, Scratch &, States &);
  void spread(const Range &, const Padded<Real> &, const std::vector<at::Tensor> &found, States *, int thread);
  int64_t edges_per_part() const;

  const MachineCode &code_;
  int last_;
  double cutoff_;
  const GraphView *graph_ = nullptr;
  std::vector<Range> ranges_;
  std::vector<States> states_;    ///< [k] is read by layer k; [0] is unused
  std::vector<Scratch> scratch_;
  std::vector<double> energies_, gradient_;
};
}    // namespace lampion

#endif
