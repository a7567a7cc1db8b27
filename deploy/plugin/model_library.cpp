// SPDX-License-Identifier: GPL-2.0-or-later

#include "model_library.h"

#include <dlfcn.h>
#include <stdexcept>
#include <string>

namespace {

std::string beside_this_file(const std::string &name)
{
  Dl_info info;
  if (!dladdr(reinterpret_cast<void *>(&lampion::model_library), &info)) return name;
  const std::string self = info.dli_fname;
  return self.substr(0, self.rfind('/') + 1) + name;
}
}    // namespace

lampion::ModelLibrary &lampion::model_library()
{
  // never closed: libtorch does not survive being unloaded
  void *const handle = dlopen(beside_this_file("liblampionmodel.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  void *const symbol = handle ? dlsym(handle, "lampion_model_library") : nullptr;
  if (!symbol)
    throw std::runtime_error("Lampion cannot load torch " LAMPION_TORCH_VERSION " (" + std::string(dlerror()) +
                             "); write: " LAMPION_TORCH_CURE);
  return *reinterpret_cast<decltype(&lampion_model_library)>(symbol)();
}
