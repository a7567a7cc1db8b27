// The functions of fused_interface.h for the layers of a model: `Layers`, a tuple of their sizes and weights.

#include "layer.h"

#include <tuple>
#include <utility>

namespace lampion::fused {

/// Calls `action` with the layer numbered `layer`.
template <typename Action> void with_layer(int layer, Action &&action)
{
  [&]<size_t... K>(std::index_sequence<K...>) {
    ((static_cast<int>(K) == layer ? action(layer_of_thread<std::tuple_element_t<K, Layers>>()) : void()), ...);
  }(std::make_index_sequence<std::tuple_size_v<Layers>>());
}
}    // namespace lampion::fused

using lampion::fused::with_layer;

extern "C" {

int lampion_state_width(int layer)
{
  int width = 0;
  if (layer < static_cast<int>(std::tuple_size_v<lampion::fused::Layers>) - 1)
    with_layer(layer, [&](auto &code) { width = code.STATE; });
  return width;
}

void lampion_forward(int layer, const LampionGraph *graph, int64_t begin, int64_t end, const float *states,
                     float *new_states, double *energies)
{
  with_layer(layer, [&](auto &code) { code.forward(*graph, begin, end, states, new_states, energies); });
}

void lampion_backward(int layer, const LampionGraph *graph, int64_t begin, int64_t end, const float *states,
                      const double *weights, const float *owed, float *owed_below, double *gradient, double *energies)
{
  with_layer(layer, [&](auto &code) {
    code.backward(*graph, begin, end, states, weights, owed, owed_below, gradient, energies);
  });
}
}
