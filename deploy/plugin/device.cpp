// SPDX-License-Identifier: GPL-2.0-or-later

#include "device.h"

#include <stdexcept>
#include <torch/cuda.h>

c10::Device lampion::choose_device(const std::string &name, int rank_on_node)
{
  if (name == "cpu") return c10::Device(c10::kCPU);
  const int found = static_cast<int>(torch::cuda::device_count());
  if (found == 0)
    throw std::runtime_error("device " + name + " was asked for, but torch " LAMPION_TORCH_VERSION
                             " found no CUDA device; write: device cpu (or install a torch made for CUDA, and see "
                             "whether nvidia-smi lists a device)");
  const int wanted = name == "cuda" ? rank_on_node % found : std::stoi(name.substr(5));
  if (wanted >= found)
    throw std::runtime_error("device " + name + " was asked for, but torch found " + std::to_string(found) +
                             " CUDA device(s), counted from cuda:0");
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(wanted));
}
