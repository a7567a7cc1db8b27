// SPDX-License-Identifier: GPL-2.0-or-later

#include "torch_version.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace {

// the folder above lib/, from the address of any function of libtorch
std::filesystem::path torch_folder()
{
  Dl_info info;
  if (!dladdr(reinterpret_cast<void *>(&at::set_num_threads), &info)) return {};
  return std::filesystem::path(info.dli_fname).lexically_normal().parent_path().parent_path();
}

// "2.13.0" from the wheel's version.py or from the C++ distribution's build-version; "" if neither is there
std::string found_version(const std::filesystem::path &folder)
{
  for (const char *name : {"version.py", "build-version"}) {
    std::ifstream file(folder / name);
    for (std::string line; std::getline(file, line);) {
      const auto start = line.find_first_of("0123456789");
      const bool versioned = line.rfind("__version__", 0) == 0 || name[0] == 'b';
      if (versioned && start != std::string::npos)
        return line.substr(start, line.find_first_not_of("0123456789.", start) - start);
    }
  }
  return {};
}
}    // namespace

std::string lampion::minor_of(const std::string &version)
{
  return version.substr(0, version.find('.', version.find('.') + 1));
}

void lampion::require_compiled_torch()
{
  const auto folder = torch_folder();
  const auto found = found_version(folder);
  if (minor_of(found) == minor_of(LAMPION_TORCH_VERSION)) return;
  throw std::runtime_error("Lampion was compiled for torch " LAMPION_TORCH_VERSION ", but found torch " +
                           (found.empty() ? "of unknown version" : found) + " in " + folder.string() +
                           "; write: " LAMPION_TORCH_CURE);
}
