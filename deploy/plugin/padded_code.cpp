// SPDX-License-Identifier: GPL-2.0-or-later

#include "padded_code.h"

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

template <typename Real> void add_energies(const lampion::Range &range, const Tensor &found, double *energies)
{
  const auto *const energy = found.template const_data_ptr<Real>();
  for (int64_t k = 0; k < range.n_centers; k++) energies[range.first_center + k] += energy[k];
}
}    // namespace

// Shapes of states are learnt from two atoms without neighbors.
template <typename Real>
lampion::PaddedCode<Real>::PaddedCode(const MachineCode &code, int n_layers, double cutoff) :
    code_(code), last_(n_layers - 1), cutoff_(cutoff), shapes_(n_layers), scratch_(at::get_num_threads())
{
  const std::vector<int64_t> types(2, 0);
  const GraphView isolated{2, 2, 0, types.data(), nullptr, nullptr, nullptr};
  std::vector<Real> states;
  for (int k = 0; k < last_; k++) {
    const auto given = arguments(k, isolated, {0, 2, 0, 0, 2}, scratch_[0], states.data());
    const auto made = code_.run("forward_" + std::to_string(k), given, 0)[0];
    shapes_[k + 1] = made.sizes().slice(1).vec();
    states.assign(made.template const_data_ptr<Real>(), made.template const_data_ptr<Real>() + made.numel());
  }
}

template <typename Real> int lampion::PaddedCode<Real>::width_of(int layer) const
{
  return static_cast<int>(c10::multiply_integers(shapes_[layer]));
}

template <typename Real> int64_t lampion::PaddedCode<Real>::edges_per_part(int state_width) const
{
  return std::clamp(NUMBERS_PER_PART / std::max(state_width, 1), LEAST_EDGES, MOST_EDGES);
}

template <typename Real>
std::vector<Tensor> lampion::PaddedCode<Real>::arguments(int layer, const GraphView &graph, const Range &range,
                                                         Scratch &scratch, const Real *states)
{
  auto &part = scratch.part;
  part.fill(graph, range, cutoff_);
  const auto n = static_cast<int64_t>(part.centers.size()), n_slots = static_cast<int64_t>(part.senders.size());
  std::vector<Tensor> found{borrow(graph.types, {graph.n_nodes}, at::kLong), view(part.centers, {n}),
                            view(part.senders, {n_slots}), view(part.vectors, {n_slots, 3})};
  if (layer > 0) found.push_back(borrow(states, rows_of(graph.n_nodes, shapes_[layer]), DTYPE<Real>));
  return found;
}

template <typename Real>
void lampion::PaddedCode<Real>::forward(int layer, const GraphView &graph, const Range &range, int thread,
                                        const Real *states, Real *made, double *energies)
{
  const auto given = arguments(layer, graph, range, scratch_[thread], states);
  const auto found = code_.run("forward_" + std::to_string(layer), given, thread);
  const int64_t width = width_of(layer + 1);
  std::copy_n(found[0].template const_data_ptr<Real>(), range.n_centers * width, made + range.first_center * width);
  add_energies<Real>(range, found[1], energies);
}

template <typename Real>
void lampion::PaddedCode<Real>::backward(int layer, const GraphView &graph, const Range &range, int thread,
                                         const Real *states, const double *weights, const Real *owed,
                                         Real *owed_below, double *gradient, double *energies)
{
  auto &scratch = scratch_[thread];
  auto given = arguments(layer, graph, range, scratch, states);
  given.push_back(weights_of(range, scratch, weights));
  if (layer < last_) given.push_back(owed_to(layer, range, scratch, owed));
  auto found = code_.run(layer < last_ ? "backward_" + std::to_string(layer) : "last", given, thread);
  if (layer == last_) {
    add_energies<Real>(range, found[0], energies);
    found.erase(found.begin());
  }
  spread(range, scratch.part, found[0], gradient);
  if (layer > 0) spread_states(layer, range, scratch.part, found, owed_below);
}

template <typename Real>
Tensor lampion::PaddedCode<Real>::weights_of(const Range &range, Scratch &scratch, const double *weights)
{
  scratch.weights.assign(scratch.part.centers.size(), Real(0));
  std::copy_n(weights + range.first_center, range.n_centers, scratch.weights.begin());
  return view(scratch.weights, {static_cast<int64_t>(scratch.weights.size())});
}

template <typename Real>
Tensor lampion::PaddedCode<Real>::owed_to(int layer, const Range &range, Scratch &scratch, const Real *owed)
{
  const auto n = static_cast<int64_t>(scratch.part.centers.size());
  const int64_t width = width_of(layer + 1);
  scratch.owed.assign(n * width, Real(0));
  std::copy_n(owed + range.first_center * width, range.n_centers * width, scratch.owed.begin());
  return view(scratch.owed, rows_of(n, shapes_[layer + 1]));
}

template <typename Real>
void lampion::PaddedCode<Real>::spread(const Range &range, const Padded<Real> &part, const Tensor &slots,
                                       double *gradient)
{
  const auto *const of_slot = slots.template const_data_ptr<Real>();
  for (int64_t e = 0; e < range.n_edges; e++)
    for (int a = 0; a < 3; a++) gradient[3 * (range.first_edge + e) + a] += of_slot[3 * part.slots[e] + a];
}

// `found`: gradient of the slots, and what is owed to the states of the centers and of each slot's sender
template <typename Real>
void lampion::PaddedCode<Real>::spread_states(int layer, const Range &range, const Padded<Real> &part,
                                              const std::vector<Tensor> &found, Real *owed)
{
  const int64_t width = width_of(layer);
  add(found[1].template const_data_ptr<Real>(), range.n_centers * width, owed + range.first_center * width);
  const auto *const to_sender = found[2].template const_data_ptr<Real>();
  for (const int64_t slot : part.slots) add(to_sender + slot * width, width, owed + part.senders[slot] * width);
}

template class lampion::PaddedCode<float>;
template class lampion::PaddedCode<double>;
