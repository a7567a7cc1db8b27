// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_PADDED_CODE_H
#define LAMPION_PADDED_CODE_H

#include "layer_code.h"
#include "machine_code.h"

#include <vector>

namespace lampion {

/// Layers compiled by torch: functions of tensors, which read parts of a graph whose centers have equally many edges.
template <typename Real> class PaddedCode : public LayerCode<Real> {
 public:
  PaddedCode(const MachineCode &, int n_layers, double cutoff);

  int state_width(int layer) override { return width_of(layer + 1); }
  int64_t edges_per_part(int state_width) const override;
  void forward(int layer, const GraphView &, const Range &, int thread, const Real *states, Real *made,
               double *energies) override;
  void backward(int layer, const GraphView &, const Range &, int thread, const Real *states, const double *weights,
                const Real *owed, Real *owed_below, double *gradient, double *energies) override;

 private:
  struct Scratch {
    Padded<Real> part;
    std::vector<Real> weights, owed;
  };
  int width_of(int layer) const;
  std::vector<at::Tensor> arguments(int layer, const GraphView &, const Range &, Scratch &, const Real *states);
  at::Tensor weights_of(const Range &, Scratch &, const double *weights);
  at::Tensor owed_to(int layer, const Range &, Scratch &, const Real *owed);
  void spread(const Range &, const Padded<Real> &, const at::Tensor &slots, double *gradient);
  void spread_states(int layer, const Range &, const Padded<Real> &, const std::vector<at::Tensor> &found, Real *owed);

  const MachineCode &code_;
  int last_;
  double cutoff_;
  std::vector<std::vector<int64_t>> shapes_;    ///< [k] of a state that layer k reads; [0] is empty
  std::vector<Scratch> scratch_;                ///< of each thread
};
}    // namespace lampion

#endif
