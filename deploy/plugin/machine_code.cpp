// SPDX-License-Identifier: GPL-2.0-or-later

#include "machine_code.h"

#include "unpacked.h"

#include <stdexcept>

lampion::MachineCode::MachineCode(const std::string &path, int n_threads)
{
  const Unpacked code(path, "data/aotinductor/");
  for (const auto &file : code.files()) {
    if (file.extension() != ".so") continue;
    const auto function = file.parent_path().filename().string();
    for (int thread = 0; thread < n_threads; thread++)
      runners_[function].push_back(std::make_unique<Runner>(file.string(), 1, true));
  }
}

std::vector<at::Tensor> lampion::MachineCode::run(const std::string &function,
                                                  const std::vector<at::Tensor> &arguments, int thread) const
{
  auto results = runners_.at(function)[thread]->run(arguments);
  for (const auto &result : results)
    if (!result.is_contiguous()) throw std::runtime_error("function " + function + " returns a strided tensor");
  return results;
}
