// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_MACHINE_CODE_H
#define LAMPION_MACHINE_CODE_H

#include <ATen/ATen.h>
#include <map>
#include <memory>
#include <string>
#include <torch/csrc/inductor/aoti_runner/model_container_runner_cpu.h>
#include <vector>

namespace lampion {

/// The compiled functions of a model file, each loaded once per thread.
class MachineCode {
 public:
  MachineCode(const std::string &path, int n_threads);

  bool has(const std::string &function) const { return runners_.count(function) > 0; }
  /// Arguments are not checked by compiled code: their types must be those it was made for.
  std::vector<at::Tensor> run(const std::string &function, const std::vector<at::Tensor> &arguments, int thread) const;

 private:
  using Runner = torch::inductor::AOTIModelContainerRunnerCpu;
  std::map<std::string, std::vector<std::unique_ptr<Runner>>> runners_;
};
}    // namespace lampion

#endif
