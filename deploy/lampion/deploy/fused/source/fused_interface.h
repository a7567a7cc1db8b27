// What the pair style calls of the fused code of a model (C, so that either side may be compiled by any compiler).
//
// Atoms are rows: centers first, which receive, then those that only send. A layer is evaluated on a range of centers.
// States are float (n_nodes, width); the energies of the layers add up.

#ifndef LAMPION_FUSED_INTERFACE_H
#define LAMPION_FUSED_INTERFACE_H

#include <cstdint>

#pragma GCC visibility push(default)
extern "C" {

struct LampionGraph {
  const int64_t *types;         ///< (n_nodes,)
  const int64_t *first_edge;    ///< (n_centers + 1,) edges of center i are first_edge[i] .. first_edge[i+1]-1
  const int64_t *senders;       ///< (n_edges,)
  const float *vectors;         ///< (n_edges, 3) r_j - r_i
};

/// Numbers in the state of an atom that `layer` makes; 0 for the last layer, which makes energies only.
int lampion_state_width(int layer);

/// Any layer but the last: new states of the centers begin .. end-1, and their energies, added.
void lampion_forward(int layer, const LampionGraph *, int64_t begin, int64_t end, const float *states,
                     float *new_states, double *energies);

/// The derivative of sum_i weights_i energy_i: added to `gradient` (n_edges, 3) and to what the states the layer reads are
/// owed, (n_nodes, width), not read by the first layer. `owed`: the same of the states the layer made, not read by the
/// last layer, which adds its energies instead.
void lampion_backward(int layer, const LampionGraph *, int64_t begin, int64_t end, const float *states,
                      const double *weights, const float *owed, float *owed_below, double *gradient, double *energies);
}
#pragma GCC visibility pop

#endif
