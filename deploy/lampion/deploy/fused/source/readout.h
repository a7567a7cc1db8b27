// Energies of a block of centers from their scalars, and the derivative: linear, and by one hidden layer.

#ifndef LAMPION_FUSED_READOUT_H
#define LAMPION_FUSED_READOUT_H

#include "nodes.h"

#include <algorithm>

namespace lampion::fused {

template <class S> class Readout {
  static constexpr int C = S::CHANNELS, HIDDEN = S::HIDDEN, V = lanes(HIDDEN);
  using B = Block<C>;

 public:
  /// Reads scalars (CENTERS, C); to be called before the others.
  void read(const float *scalars)
  {
    for (int b = 0; b < B::CENTERS; b++) std::copy_n(S::readout_bias, HIDDEN, hidden_ + b * HIDDEN);
    B::template mix<C, HIDDEN>(B::CENTERS, scalars, S::readout_hidden, hidden_);
    for (int b = 0; b < B::CENTERS; b++) {
      linear_[b] = 0.0f;
      for (int c = 0; c < C; c++) linear_[b] += S::readout_linear[c] * scalars[b * C + c];
    }
  }

  /// Of center b of the block, eV.
  double energy(int b) const
  {
    Vec<V> total{};
    for (int h = 0; h < HIDDEN; h += V) {
      const auto z = load<V>(hidden_ + b * HIDDEN + h);
      total += load<V>(S::readout_out + h) * z / (1.0f + exponential<V>(-z));
    }
    return static_cast<double>(sum<V>(total)) + linear_[b];
  }

  /// Adds the derivative of the weighted energies to that of the scalars, `wanted` (CENTERS, C). Ends what was read.
  void differentiate(const float (&weights)[B::CENTERS], float *wanted)
  {
    for (int b = 0; b < B::CENTERS; b++) {
      for (int h = 0; h < HIDDEN; h += V) {
        const auto z = load<V>(hidden_ + b * HIDDEN + h), gate = 1.0f / (1.0f + exponential<V>(-z));
        store<V>(hidden_ + b * HIDDEN + h, weights[b] * load<V>(S::readout_out + h) * gate * (1.0f + z * (1.0f - gate)));
      }
      for (int c = 0; c < C; c++) wanted[b * C + c] += weights[b] * S::readout_linear[c];
    }
    B::template mix<HIDDEN, C>(B::CENTERS, hidden_, S::readout_hidden_turned, wanted);
  }

 private:
  alignas(64) float hidden_[B::CENTERS * HIDDEN];    ///< before the activation
  float linear_[B::CENTERS];
};
}    // namespace lampion::fused

#endif
