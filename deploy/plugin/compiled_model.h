// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_COMPILED_MODEL_H
#define LAMPION_COMPILED_MODEL_H

#include "model.h"

namespace lampion {
/// The machine code of a compiled model file (deploy/lampion/deploy/layer_functions.py). Throws where the file was
/// made for another processor, torch, precision or device than are here.
std::unique_ptr<Model> load_compiled(const std::string &path, const Setting &);
}    // namespace lampion

#endif
