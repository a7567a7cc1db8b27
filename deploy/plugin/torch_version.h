// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_TORCH_VERSION_H
#define LAMPION_TORCH_VERSION_H

namespace lampion {
/// Throws unless the libtorch in this process is of the minor version this file was compiled for.
/// TorchScript's C++ interface changes between minors without a linker noticing.
void require_compiled_torch();
}    // namespace lampion

#endif
