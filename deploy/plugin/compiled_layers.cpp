// SPDX-License-Identifier: GPL-2.0-or-later

#include "compiled_layers.h"

#include "contract.h"

#include <ATen/Parallel.h>
#include <algorithm>
#include <string>

using at::Tensor;

namespace {

// Numbers in a tensor of one state per edge of a part: what a part needs then fits the second cache of a core.
constexpr int64_t NUMBERS_PER_PART = 1 << 17;
constexpr int64_t LEAST_EDGES = 128, MOST_EDGES = 2048;

template <typename Real> constexpr at::ScalarType DTYPE = c10::CppTypeToScalarType<Real>::value;

template <typename Real> Tensor view(const std::vector<Real> &numbers, at::IntArrayRef shape)
{
  return lampion::borrow(numbers.data(), shape, DTYPE<Real>);
}

std::vector<int64_t> rows_of(int64_t n, const std::vector<int64_t> &shape)
{
  std::vector<int64_t> full{n};
  full.insert(full.end(), shape.begin(), shape.end());
  return full;
}

template <typename Real> void add(const Real *from, int64_t n, Real *to)
{
  for (int64_t k = 0; k < n; k++) to[k] += from[k];
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
  for (size_t thread = 1; thread < owed.size(); thread++)
    add(owed[thread].data(), static_cast<int64_t>(owed[0].size()), owed[0].data());
}

// Shapes of states are learnt from two atoms without neighbors.
template <typename Real>
lampion::CompiledLayers<Real>::CompiledLayers(const MachineCode &code, int n_layers, double cutoff) :
    code_(code), last_(n_layers - 1), cutoff_(cutoff), states_(n_layers), scratch_(at::get_num_threads())
{
  const std::vector<int64_t> types(2, 0);
  const GraphView isolated{2, 2, 0, types.data(), nullptr, nullptr, nullptr};
  graph_ = &isolated;
  for (int k = 0; k < last_; k++) {
    const auto made = code_.run("forward_" + std::to_string(k), arguments(k, {0, 2, 0, 0, 2}, scratch_[0]), 0)[0];
    auto &next = states_[k + 1];
    next.shape = made.sizes().slice(1).vec();
    next.width = static_cast<int>(made.numel() / made.size(0));
    next.resize(2, 1);
  }
}

template <typename Real> int lampion::CompiledLayers<Real>::state_width() const
{
  int widest = 0;
  for (const auto &states : states_) widest = std::max(widest, states.width);
  return widest;
}

template <typename Real> int64_t lampion::CompiledLayers<Real>::edges_per_part() const
{
  return std::clamp(NUMBERS_PER_PART / std::max(state_width(), 1), LEAST_EDGES, MOST_EDGES);
}

template <typename Real>
void lampion::CompiledLayers<Real>::evaluate(const GraphView &graph, const std::vector<double> &weights,
                                             Exchange &exchange)
{
  graph_ = &graph;
  const int64_t n_centers = static_cast<int64_t>(weights.size());
  ranges_ = cut_ranges(graph, n_centers, edges_per_part());
  energies_.assign(n_centers, 0.0);
  gradient_.assign(3 * graph.n_edges, 0.0);
  for (auto &states : states_) states.resize(graph.n_nodes, static_cast<int>(scratch_.size()));

  for (int k = 0; k < last_; k++) {
    for_each_range([&](const Range &range, int thread) { forward(k, range, thread); });
    exchange.forward(states_[k + 1].rows.data(), states_[k + 1].width);
  }
  for (int k = last_; k >= 0; k--) {
    for_each_range([&](const Range &range, int thread) { backward(k, range, thread, weights); });
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
std::vector<Tensor> lampion::CompiledLayers<Real>::arguments(int layer, const Range &range, Scratch &scratch)
{
  auto &part = scratch.part;
  part.fill(*graph_, range, cutoff_);
  const auto n = static_cast<int64_t>(part.centers.size()), n_slots = static_cast<int64_t>(part.senders.size());
  std::vector<Tensor> found{borrow(graph_->types, {graph_->n_nodes}, at::kLong), view(part.centers, {n}),
                            view(part.senders, {n_slots}), view(part.vectors, {n_slots, 3})};
  if (layer > 0) found.push_back(view(states_[layer].rows, rows_of(graph_->n_nodes, states_[layer].shape)));
  return found;
}

template <typename Real> void lampion::CompiledLayers<Real>::forward(int layer, const Range &range, int thread)
{
  const auto made = code_.run("forward_" + std::to_string(layer), arguments(layer, range, scratch_[thread]), thread);
  auto &next = states_[layer + 1];
  const auto *const state = made[0].template const_data_ptr<Real>();
  std::copy_n(state, range.n_centers * next.width, &next.rows[range.first_center * next.width]);
  add_energies(range, made[1]);
}

template <typename Real>
void lampion::CompiledLayers<Real>::backward(int layer, const Range &range, int thread,
                                             const std::vector<double> &weights)
{
  auto &scratch = scratch_[thread];
  auto given = arguments(layer, range, scratch);
  given.push_back(weights_of(range, scratch, weights));
  if (layer < last_) given.push_back(owed_to(range, scratch, states_[layer + 1]));
  auto found = code_.run(layer < last_ ? "backward_" + std::to_string(layer) : "last", given, thread);
  if (layer == last_) {
    add_energies(range, found[0]);
    found.erase(found.begin());
  }
  spread(range, scratch.part, found, layer > 0 ? &states_[layer] : nullptr, thread);
}

template <typename Real>
void lampion::CompiledLayers<Real>::add_energies(const Range &range, const Tensor &energies)
{
  const auto *const energy = energies.template const_data_ptr<Real>();
  for (int64_t k = 0; k < range.n_centers; k++) energies_[range.first_center + k] += energy[k];
}

template <typename Real>
Tensor lampion::CompiledLayers<Real>::weights_of(const Range &range, Scratch &scratch,
                                                 const std::vector<double> &weights)
{
  scratch.weights.assign(scratch.part.centers.size(), Real(0));
  std::copy_n(&weights[range.first_center], range.n_centers, scratch.weights.begin());
  return view(scratch.weights, {static_cast<int64_t>(scratch.weights.size())});
}

template <typename Real>
Tensor lampion::CompiledLayers<Real>::owed_to(const Range &range, Scratch &scratch, States &states)
{
  const auto n = static_cast<int64_t>(scratch.part.centers.size());
  scratch.owed.assign(n * states.width, Real(0));
  std::copy_n(&states.owed[0][range.first_center * states.width], range.n_centers * states.width, scratch.owed.begin());
  return view(scratch.owed, rows_of(n, states.shape));
}

// `found`: gradient of the slots, and what is owed to the states of the centers and of each slot's sender
template <typename Real>
void lampion::CompiledLayers<Real>::spread(const Range &range, const Padded<Real> &part,
                                           const std::vector<Tensor> &found, States *states, int thread)
{
  const auto *const gradient = found[0].template const_data_ptr<Real>();
  for (int64_t e = 0; e < range.n_edges; e++)
    for (int a = 0; a < 3; a++) gradient_[3 * (range.first_edge + e) + a] += gradient[3 * part.slots[e] + a];
  if (!states) return;
  const int64_t width = states->width;
  Real *const owed = states->owed[thread].data();
  const auto *const to_center = found[1].template const_data_ptr<Real>();
  const auto *const to_sender = found[2].template const_data_ptr<Real>();
  add(to_center, range.n_centers * width, owed + range.first_center * width);
  for (const int64_t slot : part.slots) add(to_sender + slot * width, width, owed + part.senders[slot] * width);
}

template class lampion::CompiledLayers<float>;
template class lampion::CompiledLayers<double>;
