// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_MODEL_LIBRARY_H
#define LAMPION_MODEL_LIBRARY_H

#include "model.h"

namespace lampion {
/// Opens liblampionmodel.so, which lies beside this shared object, and with it torch.
/// Throws std::runtime_error with the loader's reason, the torch it expects, and the cure.
ModelLibrary &model_library();
}    // namespace lampion

#endif
