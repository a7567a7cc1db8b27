// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_FUSED_CODE_H
#define LAMPION_FUSED_CODE_H

#include "fused_interface.h"
#include "layer_code.h"

#include <memory>
#include <string>
#include <vector>

namespace lampion {

/// Layers fused by hand (deploy/lampion/deploy/fused): a shared object in the model file, which reads the graph as it is.
class FusedCode : public LayerCode<float> {
 public:
  explicit FusedCode(const std::string &path);

  int state_width(int layer) override { return state_width_(layer); }
  int64_t edges_per_part(int) const override;
  void prepare(const GraphView &) override;
  void forward(int layer, const GraphView &, const Range &, int thread, const float *states, float *made,
               double *energies) override;
  void backward(int layer, const GraphView &, const Range &, int thread, const float *states, const double *weights,
                const float *owed, float *owed_below, double *gradient, double *energies) override;

 private:
  std::shared_ptr<void> library_;
  decltype(&lampion_state_width) state_width_;
  decltype(&lampion_forward) forward_;
  decltype(&lampion_backward) backward_;
  std::vector<int64_t> first_edge_;
  LampionGraph graph_{};
};
}    // namespace lampion

#endif
