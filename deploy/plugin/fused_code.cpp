// SPDX-License-Identifier: GPL-2.0-or-later

#include "fused_code.h"

#include "unpacked.h"

#include <dlfcn.h>
#include <stdexcept>

namespace {

constexpr int64_t EDGES_PER_PART = 256;    // enough for several blocks of centers, few enough to share among threads

std::shared_ptr<void> open_library(const std::string &path)
{
  const lampion::Unpacked code(path, "data/fused/");
  if (code.files().empty()) throw std::runtime_error("it holds no fused code");
  void *const library = dlopen(code.files().front().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw std::runtime_error(std::string("its fused code cannot be loaded: ") + dlerror());
  return {library, dlclose};
}

template <typename Function> Function symbol(void *library, const char *name)
{
  const auto found = reinterpret_cast<Function>(dlsym(library, name));
  if (!found) throw std::runtime_error(std::string("its fused code has no function ") + name);
  return found;
}
}    // namespace

lampion::FusedCode::FusedCode(const std::string &path) :
    library_(open_library(path)),
    state_width_(symbol<decltype(state_width_)>(library_.get(), "lampion_state_width")),
    forward_(symbol<decltype(forward_)>(library_.get(), "lampion_forward")),
    backward_(symbol<decltype(backward_)>(library_.get(), "lampion_backward"))
{
}

int64_t lampion::FusedCode::edges_per_part(int) const
{
  return EDGES_PER_PART;
}

void lampion::FusedCode::prepare(const GraphView &graph)
{
  first_edge_.assign(graph.n_nodes + 1, 0);
  for (int64_t e = 0; e < graph.n_edges; e++) first_edge_[graph.edge_index[e] + 1]++;
  for (int64_t k = 0; k < graph.n_nodes; k++) first_edge_[k + 1] += first_edge_[k];
  graph_ = {graph.types, first_edge_.data(), graph.edge_index + graph.n_edges,
            static_cast<const float *>(graph.edge_vectors)};
}

void lampion::FusedCode::forward(int layer, const GraphView &, const Range &range, int, const float *states,
                                 float *made, double *energies)
{
  forward_(layer, &graph_, range.first_center, range.first_center + range.n_centers, states, made, energies);
}

void lampion::FusedCode::backward(int layer, const GraphView &, const Range &range, int, const float *states,
                                  const double *weights, const float *owed, float *owed_below, double *gradient,
                                  double *energies)
{
  backward_(layer, &graph_, range.first_center, range.first_center + range.n_centers, states, weights, owed,
            owed_below, gradient, energies);
}
