// SPDX-License-Identifier: GPL-2.0-or-later

#include "model.h"

#include "allocation.h"
#include "archive.h"
#include "device.h"
#include "torch_version.h"

#include <ATen/Parallel.h>
#include <stdexcept>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>
#include <vector>

namespace {

using at::Tensor;
using lampion::Exchange;
using lampion::GraphView;
using lampion::Result;

// torch appends a C++ back trace to its messages; a TorchScript error ends with the line that matters
std::string last_line(const std::string &text)
{
  const auto end = text.find_last_not_of('\n') + 1;
  const auto start = end ? text.rfind('\n', end - 1) : std::string::npos;
  return text.substr(start == std::string::npos ? 0 : start + 1, end - (start == std::string::npos ? 0 : start + 1));
}

// Runs `action`, turning whatever torch throws into one sentence.
template <typename Action> auto in_one_sentence(const std::string &what, Action &&action)
{
  try {
    return action();
  } catch (const c10::Error &error) {
    throw std::runtime_error(what + ": " + last_line(error.what_without_backtrace()));
  } catch (const std::exception &error) {
    throw std::runtime_error(what + ": " + last_line(error.what()));
  }
}

struct Inputs {
  Tensor types, edge_index, edge_vectors;
};

Inputs wrap(const GraphView &graph, at::ScalarType dtype, at::Device device)
{
  // from_blob takes no pointer to const; the model is not entitled to write
  const auto blob = [](const void *data, at::IntArrayRef shape, at::ScalarType type) {
    return at::from_blob(const_cast<void *>(data), shape, at::TensorOptions(type));
  };
  return {blob(graph.types, {graph.n_nodes}, at::kLong).to(device),
          blob(graph.edge_index, {2, graph.n_edges}, at::kLong).to(device),
          blob(graph.edge_vectors, {graph.n_edges, 3}, dtype).to(device).requires_grad_()};
}

// d(sum_k <outputs_k, weights_k>)/d(inputs); zero where the outputs do not depend on an input
std::vector<Tensor> gradients(const std::vector<Tensor> &outputs, const std::vector<Tensor> &weights,
                              const std::vector<Tensor> &inputs, bool keep_graph = false)
{
  std::vector<Tensor> roots, root_weights, result(inputs.size());
  for (size_t k = 0; k < outputs.size(); k++) {
    if (!outputs[k].requires_grad()) continue;
    roots.push_back(outputs[k]);
    root_weights.push_back(weights[k]);
  }
  if (!roots.empty())
    result = torch::autograd::grad(roots, inputs, root_weights, keep_graph, false, true);
  for (size_t k = 0; k < inputs.size(); k++)
    if (!result[k].defined()) result[k] = at::zeros_like(inputs[k]);
  return result;
}

int width_of(const Tensor &state)
{
  int64_t width = 1;
  for (int64_t axis = 1; axis < state.dim(); axis++) width *= state.size(axis);
  return static_cast<int>(width);
}

void require_rows(const Tensor &tensor, const char *name, int64_t rows)
{
  if (tensor.dim() < 1 || tensor.size(0) != rows)
    throw std::runtime_error(std::string(name) + " has " + (tensor.dim() ? std::to_string(tensor.size(0)) : "no") +
                             " rows where the model-file contract asks for " + std::to_string(rows));
}

void require_energies(const Tensor &energies, int64_t rows, at::ScalarType dtype)
{
  require_rows(energies, "node_energies", rows);
  if (energies.dim() != 1) throw std::runtime_error("node_energies has more than one number per atom");
  if (energies.scalar_type() != dtype)
    throw std::runtime_error(std::string("node_energies is of dtype ") + at::toString(energies.scalar_type()) +
                             " where " + at::toString(dtype) + " is asked for by lampion.json or keyword precision");
}

// The number of edges changes at every step, so code specialised to shapes would be compiled and thrown
// away. Not off for good: freezing a model relies on it.
using Unspecialised = torch::jit::GraphOptimizerEnabledGuard;

// Before freezing, which makes constants of them. Module::to would also cast indices.
void cast(Tensor tensor, at::ScalarType dtype)
{
  if (tensor.is_floating_point()) tensor.set_data(tensor.detach().to(dtype));
}

class TorchModel : public lampion::Model {
 public:
  TorchModel(const std::string &path, at::ScalarType dtype, at::Device device, int n_layers) :
      module_(torch::jit::load(path, device)), dtype_(dtype), device_(device), n_layers_(n_layers)
  {
    for (const auto &parameter : module_.parameters()) cast(parameter, dtype);
    for (const auto &buffer : module_.buffers()) cast(buffer, dtype);
    module_.eval();
    // only edge_vectors shall be differentiated
    for (const auto &parameter : module_.parameters()) parameter.requires_grad_(false);
    layered_ = module_.find_method("embed").has_value() && module_.find_method("layer").has_value();
    const std::vector<std::string> layer_methods{"embed", "layer"};
    module_ = torch::jit::freeze(module_, layered_ ? std::optional(layer_methods) : std::nullopt);
  }

  bool layered() const override { return layered_; }
  int state_width() const override { return state_width_; }

  Result evaluate(const GraphView &graph) override
  {
    return in_one_sentence("The model's forward failed", [&] { return forward(graph); });
  }

  Result evaluate_by_layers(const GraphView &graph, Exchange &exchange) override
  {
    return in_one_sentence("The model's layers failed", [&] { return by_layers(graph, exchange); });
  }

 private:
  // What one layer read and wrote, kept until its derivatives are taken.
  struct Layer {
    Tensor state_in, state_out, energies;
  };

  Result forward(const GraphView &graph)
  {
    const Unspecialised guard(false);
    const auto in = wrap(graph, dtype_, device_);
    const auto energies = module_.forward({in.types, in.edge_index, in.edge_vectors}).toTensor();
    require_energies(energies, graph.n_nodes, dtype_);
    const auto own = energies.narrow(0, 0, graph.n_centers);
    const bool moments = graph.center_positions != nullptr;
    auto result = keep(own, gradients({own}, {at::ones_like(own)}, {in.edge_vectors}, moments)[0]);
    if (moments) result.moments = keep_moments(own, graph, in.edge_vectors);
    return result;
  }

  const double *keep_moments(const Tensor &energies, const GraphView &graph, const Tensor &edge_vectors)
  {
    const auto positions =
        at::from_blob(const_cast<double *>(graph.center_positions), {graph.n_centers, 3}, at::kDouble);
    std::vector<Tensor> moments;
    for (int a = 0; a < 3; a++) {
      const auto weight = positions.select(1, a).to(energies.options());
      moments.push_back(gradients({energies}, {weight}, {edge_vectors}, true)[0]);
    }
    moments_ = at::stack(moments).to(at::kCPU, at::kDouble).contiguous();
    return moments_.const_data_ptr<double>();
  }

  Result by_layers(const GraphView &graph, Exchange &exchange)
  {
    const Unspecialised guard(false);
    const auto in = wrap(graph, dtype_, device_);
    std::vector<Layer> layers;
    auto state = module_.get_method("embed")({in.types}).toTensor();
    require_rows(state, "the state from embed", graph.n_nodes);
    auto energies = at::zeros({graph.n_centers}, at::TensorOptions(device_).dtype(dtype_));
    for (int k = 0; k < n_layers_; k++) {
      layers.push_back(run_layer(k, graph, in, state));
      energies += layers.back().energies.detach();
      if (k + 1 < n_layers_) state = with_ghosts(layers.back().state_out, graph, exchange);
    }
    return keep(energies, backward(layers, graph, in.edge_vectors, exchange));
  }

  Layer run_layer(int k, const GraphView &graph, const Inputs &in, const Tensor &state)
  {
    const auto leaf = state.detach().requires_grad_(k > 0);    // what embed returns depends on types only
    state_width_ = std::max(state_width_, width_of(leaf));
    const auto out =
        module_.get_method("layer")({k, graph.n_centers, in.types, leaf, in.edge_index, in.edge_vectors}).toTuple();
    Layer layer{leaf, out->elements().at(0).toTensor(), out->elements().at(1).toTensor()};
    require_rows(layer.state_out, "the state from layer", graph.n_centers);
    require_energies(layer.energies, graph.n_centers, dtype_);
    return layer;
  }

  // (n_centers, *) -> (n_nodes, *), the surplus rows from the ranks that own those atoms
  Tensor with_ghosts(const Tensor &state, const GraphView &graph, Exchange &exchange)
  {
    auto shape = state.sizes().vec();
    shape[0] = graph.n_nodes;
    auto rows = at::zeros(shape, at::kDouble);
    rows.narrow(0, 0, graph.n_centers).copy_(state.detach());
    exchange.forward(rows.data_ptr<double>(), width_of(rows));
    return rows.to(device_, dtype_);
  }

  // Derivatives from the last layer to the first; what a layer owes to a ghost's state goes to its owner.
  Tensor backward(const std::vector<Layer> &layers, const GraphView &graph, const Tensor &edge_vectors,
                  Exchange &exchange)
  {
    auto total = at::zeros_like(edge_vectors);
    auto weight = at::zeros_like(layers.back().state_out);
    for (size_t k = layers.size(); k-- > 0;) {
      const auto &layer = layers[k];
      std::vector<Tensor> inputs{edge_vectors};
      if (k > 0) inputs.push_back(layer.state_in);
      const auto parts = gradients({layer.energies, layer.state_out}, {at::ones_like(layer.energies), weight}, inputs);
      total += parts[0];
      if (k == 0) break;
      auto rows = parts[1].to(at::kCPU, at::kDouble).contiguous();
      exchange.reverse(rows.data_ptr<double>(), width_of(rows));
      weight = rows.narrow(0, 0, graph.n_centers).to(device_, dtype_).view(layers[k - 1].state_out.sizes());
    }
    return total;
  }

  Result keep(const Tensor &energies, const Tensor &gradient)
  {
    energies_ = energies.detach().to(at::kCPU, at::kDouble).contiguous();
    gradient_ = gradient.to(at::kCPU, at::kDouble).contiguous();
    return {energies_.const_data_ptr<double>(), gradient_.const_data_ptr<double>(), nullptr};
  }

  torch::jit::Module module_;
  at::ScalarType dtype_;
  at::Device device_;
  int n_layers_;
  bool layered_ = false;
  int state_width_ = 0;
  Tensor energies_, gradient_, moments_;
};

// The exchange of a rank without neighbours.
struct Alone : Exchange {
  void forward(double *, int) override {}
  void reverse(double *, int) override {}
};

// One atom of each type without neighbours: shows a broken contract before the run, and how wide states are.
void try_out(TorchModel &model, int n_types)
{
  std::vector<int64_t> types(n_types);
  for (int k = 0; k < n_types; k++) types[k] = k;
  const GraphView isolated{n_types, n_types, 0, types.data(), nullptr, nullptr, nullptr};
  model.evaluate(isolated);
  Alone alone;
  if (model.layered()) model.evaluate_by_layers(isolated, alone);
}

class TorchLibrary : public lampion::ModelLibrary {
 public:
  std::string read_manifest(const std::string &path) override { return lampion::read_manifest(path); }

  std::unique_ptr<lampion::Model> load(const std::string &path, const lampion::Setting &setting) override
  {
    at::set_num_threads(setting.n_threads);
    const auto device = lampion::choose_device(setting.device, setting.rank_on_node);
    return in_one_sentence("Model file " + path + " cannot be used", [&] {
      const auto dtype = setting.dtype == "float32" ? at::kFloat : at::kDouble;
      auto model = std::make_unique<TorchModel>(path, dtype, device, setting.n_layers);
      try_out(*model, setting.n_types);
      return model;
    });
  }
};
}    // namespace

extern "C" __attribute__((visibility("default"))) lampion::ModelLibrary *lampion_model_library()
{
  lampion::require_compiled_torch();
  lampion::keep_freed_memory();
  static TorchLibrary library;
  return &library;
}
