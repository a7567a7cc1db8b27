// SPDX-License-Identifier: GPL-2.0-or-later

#include "contract.h"

#include <stdexcept>
#include <torch/csrc/autograd/autograd.h>

using at::Tensor;

Tensor lampion::borrow(const void *data, at::IntArrayRef shape, at::ScalarType type)
{
  // from_blob takes no pointer to const; the model is not entitled to write
  return at::from_blob(const_cast<void *>(data), shape, at::TensorOptions(type));
}

lampion::Inputs lampion::wrap(const GraphView &graph, at::ScalarType dtype, at::Device device)
{
  return {borrow(graph.types, {graph.n_nodes}, at::kLong).to(device),
          borrow(graph.edge_index, {2, graph.n_edges}, at::kLong).to(device),
          borrow(graph.edge_vectors, {graph.n_edges, 3}, dtype).to(device).requires_grad_()};
}

void lampion::require_rows(const Tensor &tensor, const char *name, int64_t rows)
{
  if (tensor.dim() < 1 || tensor.size(0) != rows)
    throw std::runtime_error(std::string(name) + " has " + (tensor.dim() ? std::to_string(tensor.size(0)) : "no") +
                             " rows where the model-file contract asks for " + std::to_string(rows));
}

void lampion::require_energies(const Tensor &energies, int64_t rows, at::ScalarType dtype)
{
  require_rows(energies, "node_energies", rows);
  if (energies.dim() != 1) throw std::runtime_error("node_energies has more than one number per atom");
  if (energies.scalar_type() != dtype)
    throw std::runtime_error(std::string("node_energies is of dtype ") + at::toString(energies.scalar_type()) +
                             " where " + at::toString(dtype) + " is asked for by lampion.json or keyword precision");
}

void lampion::require_forces(const Tensor &forces, int64_t rows, at::ScalarType dtype)
{
  require_rows(forces, "node_forces", rows);
  if (forces.dim() != 2 || forces.size(1) != 3 || forces.scalar_type() != dtype)
    throw std::runtime_error("node_forces, of a model whose lampion.json has conservative false, must be (n_nodes, 3) "
                             "and of the dtype of lampion.json or keyword precision");
}

lampion::Result lampion::Kept::gradient(const Tensor &energies, const Tensor &gradient)
{
  energies_ = energies.detach().to(at::kCPU, at::kDouble).contiguous();
  gradient_ = gradient.to(at::kCPU, at::kDouble).contiguous();
  return {energies_.const_data_ptr<double>(), gradient_.const_data_ptr<double>(), nullptr, nullptr};
}

lampion::Result lampion::Kept::forces(const Tensor &forces, int64_t n_centers)
{
  energies_ = at::zeros({n_centers}, at::kDouble);
  forces_ = forces.narrow(0, 0, n_centers).to(at::kCPU, at::kDouble).contiguous();
  return {energies_.const_data_ptr<double>(), nullptr, nullptr, forces_.const_data_ptr<double>()};
}

std::vector<Tensor> lampion::gradients(const std::vector<Tensor> &outputs, const std::vector<Tensor> &weights,
                                       const std::vector<Tensor> &inputs, bool keep_graph)
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
