// SPDX-License-Identifier: GPL-2.0-or-later

#include "layers.h"

#include "contract.h"
#include "parts.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

using at::Tensor;
using lampion::Exchange;
using lampion::GraphView;
using lampion::Inputs;
using lampion::Layers;
using lampion::Part;

namespace {

// A tensor of one state per edge of a part has about so many numbers, 1 MiB in float32. The time of a step has a
// flat minimum there, between the costs of memory traffic and of starting operations.
constexpr int64_t NUMBERS_PER_TENSOR = 1 << 18;
constexpr int64_t LEAST_EDGES = 1024;

/// A part of the graph as tensors, which borrow the part's memory.
struct Piece {
  Part part;
  Tensor rows;    ///< of the whole graph
  Inputs in;

  /// The part's centers, or its edges, among those of the whole graph.
  Tensor centers(const Tensor &whole) const { return whole.narrow(0, part.first_center, part.n_centers); }
  Tensor edges(const Tensor &whole) const { return whole.narrow(0, part.first_edge, part.n_edges); }
};

/// What a layer read and wrote for a piece, kept until its derivatives are taken.
struct Call {
  Tensor state_in, state_out, energies;
};

int width_of(const Tensor &state)
{
  return static_cast<int>(c10::multiply_integers(state.sizes().slice(1)));
}

// zeros of the shape of `state`, but for the number of rows
Tensor zero_states(int64_t n_rows, const Tensor &state, const at::TensorOptions &options)
{
  auto shape = state.sizes().vec();
  shape[0] = n_rows;
  return at::zeros(shape, options);
}

// `action` on the numbers of a tensor
template <typename Action> void in_its_precision(const Tensor &rows, Action &&action)
{
  if (rows.scalar_type() == at::kFloat) action(rows.data_ptr<float>());
  else action(rows.data_ptr<double>());
}

std::vector<Piece> pieces_of(const GraphView &graph, const Inputs &whole, int64_t n_edges)
{
  const auto device = whole.types.device();
  auto parts = lampion::cut(graph, n_edges);
  std::vector<Piece> pieces;
  for (auto &part : parts) {
    const auto rows = lampion::borrow(part.rows.data(), {static_cast<int64_t>(part.rows.size())}, at::kLong).to(device);
    const auto index = lampion::borrow(part.edge_index.data(), {2, part.n_edges}, at::kLong).to(device);
    const auto vectors = whole.edge_vectors.detach().narrow(0, part.first_edge, part.n_edges).requires_grad_();
    pieces.push_back({std::move(part), rows, {whole.types.index_select(0, rows), index, vectors}});
  }
  return pieces;
}

/// One evaluation: through the layers and back.
class Pass {
 public:
  Pass(const torch::jit::Module &module, const GraphView &graph, const Inputs &whole, int64_t edges_per_part,
       Exchange &exchange) :
      module_(module), graph_(graph), exchange_(exchange), options_(whole.edge_vectors.options()),
      pieces_(pieces_of(graph, whole, edges_per_part)),
      out_{at::zeros({graph.n_centers}, options_), at::zeros({graph.n_edges, 3}, options_)}
  {
  }

  Layers::Output run(const Tensor &embedded, int n_layers)
  {
    const int last = n_layers - 1;
    std::vector<std::vector<Call>> calls(last);
    auto state = embedded;
    for (int k = 0; k < last; k++) {
      for (const auto &piece : pieces_) calls[k].push_back(call(k, piece, state));
      state = with_ghosts(calls[k]);
    }
    // of the last layer, nothing needs to be kept for the way back
    Tensor owed = last > 0 ? at::zeros_like(state) : Tensor();
    for (const auto &piece : pieces_) differentiate(piece, call(last, piece, state), Tensor(), owed);
    for (int k = last - 1; k >= 0; k--) {
      const auto weight = own_share(owed);
      owed = k > 0 ? zero_states(graph_.n_nodes, calls[k][0].state_in, options_) : Tensor();
      for (size_t p = 0; p < pieces_.size(); p++)
        differentiate(pieces_[p], std::exchange(calls[k][p], {}), weight, owed);
    }
    return out_;
  }

  int state_width() const { return state_width_; }

 private:
  // Only a state after a layer depends on positions, and is differentiated with respect to.
  Call call(int k, const Piece &piece, const Tensor &state)
  {
    const int64_t n = piece.part.n_centers;
    const auto leaf = state.index_select(0, piece.rows).requires_grad_(k > 0);
    state_width_ = std::max(state_width_, width_of(leaf));
    const auto &in = piece.in;
    const auto out = module_.get_method("layer")({k, n, in.types, leaf, in.edge_index, in.edge_vectors}).toTuple();
    Call call{leaf, out->elements().at(0).toTensor(), out->elements().at(1).toTensor()};
    lampion::require_rows(call.state_out, "the state from layer", n);
    lampion::require_energies(call.energies, n, options_.dtype().toScalarType());
    piece.centers(out_.energies).add_(call.energies.detach());
    return call;
  }

  // The derivatives of a call, given those with respect to the states it returned (none for the last layer).
  void differentiate(const Piece &piece, const Call &call, const Tensor &weight, const Tensor &owed)
  {
    std::vector<Tensor> outputs{call.energies}, weights{at::ones_like(call.energies)}, inputs{piece.in.edge_vectors};
    if (weight.defined()) {
      outputs.push_back(call.state_out);
      weights.push_back(piece.centers(weight));
    }
    if (owed.defined()) inputs.push_back(call.state_in);
    const auto found = lampion::gradients(outputs, weights, inputs);
    piece.edges(out_.gradient).add_(found[0]);
    if (owed.defined()) owed.index_add_(0, piece.rows, found[1]);
  }

  // (n_nodes, *): the states that the pieces returned for their centers, and those of ghosts from their owners
  Tensor with_ghosts(const std::vector<Call> &calls)
  {
    auto rows = zero_states(graph_.n_nodes, calls[0].state_out, options_.device(at::kCPU));
    for (size_t p = 0; p < pieces_.size(); p++) pieces_[p].centers(rows).copy_(calls[p].state_out.detach());
    in_its_precision(rows, [&](auto *data) { exchange_.forward(data, width_of(rows)); });
    return rows.to(options_);
  }

  // (n_centers, *): what all ranks owe to the states of this rank's atoms
  Tensor own_share(const Tensor &owed)
  {
    const auto rows = owed.to(at::kCPU).contiguous();
    in_its_precision(rows, [&](auto *data) { exchange_.reverse(data, width_of(rows)); });
    return rows.narrow(0, 0, graph_.n_centers).to(options_);
  }

  torch::jit::Module module_;
  const GraphView &graph_;
  Exchange &exchange_;
  at::TensorOptions options_;
  std::vector<Piece> pieces_;
  Layers::Output out_;
  int state_width_ = 0;
};
}    // namespace

Layers::Layers(const torch::jit::Module &module, int n_layers, at::ScalarType dtype, at::Device device) :
    module_(module), n_layers_(n_layers), dtype_(dtype), device_(device)
{
}

// A GPU has memory of its own, and is kept busy by a whole graph only.
int64_t Layers::edges_per_part() const
{
  if (!device_.is_cpu()) return std::numeric_limits<int64_t>::max();
  return std::max(LEAST_EDGES, NUMBERS_PER_TENSOR / std::max(state_width_, 1));
}

Layers::Output Layers::evaluate(const GraphView &graph, Exchange &exchange)
{
  const Unspecialised guard(false);
  const auto whole = wrap(graph, dtype_, device_);
  const auto state = module_.get_method("embed")({whole.types}).toTensor();
  require_rows(state, "the state from embed", graph.n_nodes);
  Pass pass(module_, graph, whole, edges_per_part(), exchange);
  const auto out = pass.run(state.detach(), n_layers_);
  state_width_ = std::max(state_width_, pass.state_width());
  return out;
}
