// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_SCRIPT_MODEL_H
#define LAMPION_SCRIPT_MODEL_H

#include "model.h"

namespace lampion {
/// The TorchScript module of a file.
std::unique_ptr<Model> load_script(const std::string &path, const Setting &);
}    // namespace lampion

#endif
