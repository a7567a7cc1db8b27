// SPDX-License-Identifier: GPL-2.0-or-later

#include "model.h"

#include "allocation.h"
#include "archive.h"
#include "compiled_model.h"
#include "script_model.h"
#include "sentences.h"
#include "torch_version.h"

#include <ATen/Parallel.h>

namespace {

class TorchLibrary : public lampion::ModelLibrary {
 public:
  std::string read_manifest(const std::string &path) override { return lampion::read_manifest(path); }

  std::unique_ptr<lampion::Model> load(const std::string &path, const lampion::Setting &setting) override
  {
    at::set_num_threads(setting.n_threads);
    return lampion::in_one_sentence("Model file " + path + " cannot be used", [&] {
      return setting.compiled ? lampion::load_compiled(path, setting) : lampion::load_script(path, setting);
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
