// SPDX-License-Identifier: GPL-2.0-or-later

#include "compiled_model.h"

#include "compiled_layers.h"
#include "contract.h"
#include "fused_code.h"
#include "machine_code.h"
#include "padded_code.h"
#include "processor.h"
#include "sentences.h"
#include "torch_version.h"

#include <ATen/Parallel.h>
#include <algorithm>
#include <optional>
#include <stdexcept>
#include <type_traits>

namespace {

using lampion::Alone;
using lampion::Exchange;
using lampion::FusedCode;
using lampion::GraphView;
using lampion::in_one_sentence;
using lampion::LayerCode;
using lampion::MachineCode;
using lampion::PaddedCode;
using lampion::Result;
using lampion::Setting;

constexpr int PADDED = 1;    // deploy/lampion/deploy/layer_functions.py: INTERFACE
constexpr int FUSED = 2;     // deploy/lampion/deploy/fused/constants.py: INTERFACE
const std::string AGAIN = "; export it anew on this machine: lampion export CHECKPOINT --format pt2";

// Compiled code does not check what it is run on, or with.
void require_made_for_this(const Setting &setting)
{
  const auto &made = *setting.compiled;
  if (made.interface != PADDED && made.interface != FUSED)
    throw std::runtime_error("its machine code has interface " + std::to_string(made.interface) +
                             ", and this Lampion calls " + std::to_string(PADDED) + " and " + std::to_string(FUSED) +
                             AGAIN);
  if (lampion::minor_of(made.torch) != lampion::minor_of(LAMPION_TORCH_VERSION))
    throw std::runtime_error("its machine code was made by torch " + made.torch +
                             ", and this Lampion runs torch " LAMPION_TORCH_VERSION + AGAIN);
  const auto missing = lampion::missing_extensions(made.processor);
  if (!missing.empty())
    throw std::runtime_error("its machine code was made for a processor with " + missing.front() +
                             ", which this one has not" + AGAIN);
  if (setting.dtype != setting.own_dtype)
    throw std::runtime_error("its machine code computes in " + setting.own_dtype +
                             "; write: precision model (TorchScript files can be cast)");
  if (setting.device != "cpu")
    throw std::runtime_error("its machine code is for the CPU; write: device cpu, or give a TorchScript file");
}

template <typename Real> class CompiledModel : public lampion::Model {
 public:
  CompiledModel(const std::string &path, const Setting &setting) :
      cutoff_(setting.cutoff), code_(path, at::get_num_threads()), conservative_(setting.conservative)
  {
    if (code_.has("whole")) return;
    if (setting.compiled->interface == PADDED)
      layers_.emplace(std::make_unique<PaddedCode<Real>>(code_, setting.n_layers, setting.cutoff), setting.n_layers);
    else layers_.emplace(fused(path), setting.n_layers);
  }

  bool layered() const override { return layers_.has_value(); }
  int state_width() const override { return layers_ ? layers_->state_width() : 0; }

  Result evaluate(const GraphView &graph) override
  {
    return in_one_sentence("The model's machine code failed", [&] {
      if (graph.center_positions) differentiate_moments(graph);
      std::vector<double> ones(graph.n_nodes, 0.0);
      std::fill_n(ones.begin(), graph.n_centers, 1.0);
      auto result = differentiate(graph, ones);
      if (graph.center_positions) result.moments = moments_.data();
      return result;
    });
  }

  Result evaluate_by_layers(const GraphView &graph, Exchange &exchange) override
  {
    return in_one_sentence("The model's machine code failed", [&] {
      layers_->evaluate(graph, std::vector<double>(graph.n_centers, 1.0), exchange);
      return Result{layers_->energies().data(), layers_->gradient().data(), nullptr, nullptr};
    });
  }

 private:
  static std::unique_ptr<LayerCode<Real>> fused(const std::string &path)
  {
    if constexpr (std::is_same_v<Real, float>) return std::make_unique<FusedCode>(path);
    else throw std::runtime_error("its fused code is of float32, and its lampion.json says float64" + AGAIN);
  }

  Result differentiate(const GraphView &graph, const std::vector<double> &weights)
  {
    if (!layers_) return run_whole(graph, weights);
    Alone alone;
    layers_->evaluate(graph, weights, alone);
    return {layers_->energies().data(), layers_->gradient().data(), nullptr, nullptr};
  }

  void differentiate_moments(const GraphView &graph)
  {
    moments_.clear();
    for (int a = 0; a < 3; a++) {
      std::vector<double> weights(graph.n_nodes, 0.0);
      for (int64_t k = 0; k < graph.n_centers; k++) weights[k] = graph.center_positions[3 * k + a];
      const auto *const gradient = differentiate(graph, weights).gradient;
      moments_.insert(moments_.end(), gradient, gradient + 3 * graph.n_edges);
    }
  }

  // Two atoms without weight, and two edges between them beyond the cutoff, come last, so that no size is below two.
  Result run_whole(const GraphView &graph, const std::vector<double> &weights)
  {
    const auto types = lampion::borrow(graph.types, {graph.n_nodes}, at::kLong);
    const auto index = lampion::borrow(graph.edge_index, {2, graph.n_edges}, at::kLong);
    const auto vectors = lampion::borrow(graph.edge_vectors, {graph.n_edges, 3}, dtype_);
    const auto shares = lampion::borrow(weights.data(), {graph.n_nodes}, at::kDouble).to(dtype_);
    const auto found = code_.run("whole", {at::cat({types, at::zeros({2}, at::kLong)}),
                                           at::cat({index, at::full({2, 2}, graph.n_nodes, at::kLong)}, 1),
                                           at::cat({vectors, at::full({2, 3}, lampion::FAR * cutoff_, dtype_)}),
                                           at::cat({shares, at::zeros({2}, dtype_)})}, 0);
    if (!conservative_) return kept_.forces(found[0], graph.n_centers);
    return kept_.gradient(found[0].narrow(0, 0, graph.n_centers), found[1].narrow(0, 0, graph.n_edges));
  }

  static constexpr auto dtype_ = c10::CppTypeToScalarType<Real>::value;
  double cutoff_;
  MachineCode code_;
  bool conservative_;
  std::optional<lampion::CompiledLayers<Real>> layers_;
  lampion::Kept kept_;
  std::vector<double> moments_;
};
}    // namespace

std::unique_ptr<lampion::Model> lampion::load_compiled(const std::string &path, const Setting &setting)
{
  require_made_for_this(setting);
  if (setting.dtype == "float32") return std::make_unique<CompiledModel<float>>(path, setting);
  return std::make_unique<CompiledModel<double>>(path, setting);
}
