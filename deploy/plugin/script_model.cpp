// SPDX-License-Identifier: GPL-2.0-or-later

#include "script_model.h"

#include "contract.h"
#include "device.h"
#include "layers.h"
#include "sentences.h"

#include <numeric>
#include <optional>
#include <torch/script.h>
#include <vector>

namespace {

using at::Tensor;
using lampion::Alone;
using lampion::Exchange;
using lampion::GraphView;
using lampion::in_one_sentence;
using lampion::Layers;
using lampion::Result;

// Before freezing, which makes constants of them. Module::to would also cast indices.
void cast(Tensor tensor, at::ScalarType dtype)
{
  if (tensor.is_floating_point()) tensor.set_data(tensor.detach().to(dtype));
}

class ScriptModel : public lampion::Model {
 public:
  ScriptModel(const std::string &path, at::ScalarType dtype, at::Device device, int n_layers, bool conservative) :
      module_(torch::jit::load(path, device)), dtype_(dtype), device_(device), conservative_(conservative)
  {
    for (const auto &parameter : module_.parameters()) cast(parameter, dtype);
    for (const auto &buffer : module_.buffers()) cast(buffer, dtype);
    module_.eval();
    // only edge_vectors shall be differentiated
    for (const auto &parameter : module_.parameters()) parameter.requires_grad_(false);
    const bool layered =
        conservative && module_.find_method("embed").has_value() && module_.find_method("layer").has_value();
    const std::vector<std::string> layer_methods{"embed", "layer"};
    module_ = torch::jit::freeze(module_, layered ? std::optional(layer_methods) : std::nullopt);
    if (layered) layers_.emplace(module_, n_layers, dtype, device);
  }

  bool layered() const override { return layers_.has_value(); }
  int state_width() const override { return layers_ ? layers_->state_width() : 0; }

  Result evaluate(const GraphView &graph) override
  {
    // without ghosts there is nothing to exchange, and a CPU is faster by layers
    Alone alone;
    const bool folded = graph.n_nodes == graph.n_centers;
    if (layers_ && device_.is_cpu() && folded && !graph.center_positions) return evaluate_by_layers(graph, alone);
    return in_one_sentence("The model's forward failed", [&] { return forward(graph); });
  }

  Result evaluate_by_layers(const GraphView &graph, Exchange &exchange) override
  {
    return in_one_sentence("The model's layers failed", [&] {
      const auto out = layers_->evaluate(graph, exchange);
      return kept_.gradient(out.energies, out.gradient);
    });
  }

  /// One atom of each type without neighbours: shows a broken contract before the run, and how wide states are.
  void try_out(int n_types)
  {
    std::vector<int64_t> types(n_types);
    std::iota(types.begin(), types.end(), 0);
    const GraphView isolated{n_types, n_types, 0, types.data(), nullptr, nullptr, nullptr};
    in_one_sentence("The model's forward failed", [&] { return forward(isolated); });
    Alone alone;
    if (layers_) evaluate_by_layers(isolated, alone);
  }

 private:
  Result forward(const GraphView &graph)
  {
    const lampion::Unspecialised guard(false);
    const at::AutoGradMode differentiate(conservative_);
    const auto in = lampion::wrap(graph, dtype_, device_);
    const auto energies = module_.forward({in.types, in.edge_index, in.edge_vectors}).toTensor();
    if (!conservative_) {
      lampion::require_forces(energies, graph.n_nodes, dtype_);
      return kept_.forces(energies, graph.n_centers);
    }
    lampion::require_energies(energies, graph.n_nodes, dtype_);
    const auto own = energies.narrow(0, 0, graph.n_centers);
    const bool moments = graph.center_positions != nullptr;
    auto result = kept_.gradient(own, lampion::gradients({own}, {at::ones_like(own)}, {in.edge_vectors}, moments)[0]);
    if (moments) result.moments = keep_moments(own, graph, in.edge_vectors);
    return result;
  }

  const double *keep_moments(const Tensor &energies, const GraphView &graph, const Tensor &edge_vectors)
  {
    const auto positions = lampion::borrow(graph.center_positions, {graph.n_centers, 3}, at::kDouble);
    std::vector<Tensor> moments;
    for (int a = 0; a < 3; a++) {
      const auto weight = positions.select(1, a).to(energies.options());
      moments.push_back(lampion::gradients({energies}, {weight}, {edge_vectors}, true)[0]);
    }
    moments_ = at::stack(moments).to(at::kCPU, at::kDouble).contiguous();
    return moments_.const_data_ptr<double>();
  }

  torch::jit::Module module_;
  at::ScalarType dtype_;
  at::Device device_;
  bool conservative_;
  std::optional<Layers> layers_;
  lampion::Kept kept_;
  Tensor moments_;
};
}    // namespace

std::unique_ptr<lampion::Model> lampion::load_script(const std::string &path, const Setting &setting)
{
  const auto dtype = setting.dtype == "float32" ? at::kFloat : at::kDouble;
  const auto device = choose_device(setting.device, setting.rank_on_node);
  auto model = std::make_unique<ScriptModel>(path, dtype, device, setting.n_layers, setting.conservative);
  model->try_out(setting.n_types);
  return model;
}
