// SPDX-License-Identifier: GPL-2.0-or-later

#include "compiled_layers.h"

#include <ATen/Parallel.h>
#include <algorithm>

namespace {

template <typename Real> void add(const std::vector<Real> &from, std::vector<Real> &to)
{
  for (size_t k = 0; k < from.size(); k++) to[k] += from[k];
}
}    // namespace

template <typename Real> void lampion::CompiledLayers<Real>::States::resize(int64_t n_nodes, int n_threads)
{
  rows.resize(n_nodes * width);
  owed.resize(n_threads);
  for (auto &share : owed) share.assign(n_nodes * width, Real(0));
}

template <typename Real> void lampion::CompiledLayers<Real>::States::add_up()
{
  for (size_t thread = 1; thread < owed.size(); thread++) add(owed[thread], owed[0]);
}

template <typename Real>
lampion::CompiledLayers<Real>::CompiledLayers(std::unique_ptr<LayerCode<Real>> code, int n_layers) :
    code_(std::move(code)), last_(n_layers - 1), n_threads_(at::get_num_threads()), states_(n_layers)
{
  for (int k = 0; k < last_; k++) states_[k + 1].width = code_->state_width(k);
}

template <typename Real> int lampion::CompiledLayers<Real>::state_width() const
{
  int widest = 0;
  for (const auto &states : states_) widest = std::max(widest, states.width);
  return widest;
}

template <typename Real>
void lampion::CompiledLayers<Real>::evaluate(const GraphView &graph, const std::vector<double> &weights,
                                             Exchange &exchange)
{
  const auto n_centers = static_cast<int64_t>(weights.size());
  ranges_ = cut_ranges(graph, n_centers, code_->edges_per_part(state_width()));
  energies_.assign(n_centers, 0.0);
  gradient_.assign(3 * graph.n_edges, 0.0);
  for (auto &states : states_) states.resize(graph.n_nodes, n_threads_);
  code_->prepare(graph);

  for (int k = 0; k < last_; k++) {
    for_each_range([&](const Range &range, int thread) { forward(k, graph, range, thread); });
    exchange.forward(states_[k + 1].rows.data(), states_[k + 1].width);
  }
  for (int k = last_; k >= 0; k--) {
    for_each_range([&](const Range &range, int thread) { backward(k, graph, range, thread, weights); });
    if (k == 0) break;
    states_[k].add_up();
    exchange.reverse(states_[k].owed[0].data(), states_[k].width);
  }
}

template <typename Real>
template <typename Action>
void lampion::CompiledLayers<Real>::for_each_range(Action &&action)
{
  at::parallel_for(0, static_cast<int64_t>(ranges_.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) action(ranges_[r], at::get_thread_num());
  });
}

template <typename Real>
void lampion::CompiledLayers<Real>::forward(int layer, const GraphView &graph, const Range &range, int thread)
{
  code_->forward(layer, graph, range, thread, states_[layer].rows.data(), states_[layer + 1].rows.data(),
                 energies_.data());
}

template <typename Real>
void lampion::CompiledLayers<Real>::backward(int layer, const GraphView &graph, const Range &range, int thread,
                                             const std::vector<double> &weights)
{
  const Real *const owed = layer < last_ ? states_[layer + 1].owed[0].data() : nullptr;
  code_->backward(layer, graph, range, thread, states_[layer].rows.data(), weights.data(), owed,
                  states_[layer].owed[thread].data(), gradient_.data(), energies_.data());
}

template class lampion::CompiledLayers<float>;
template class lampion::CompiledLayers<double>;
