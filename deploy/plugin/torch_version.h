// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_TORCH_VERSION_H
#define LAMPION_TORCH_VERSION_H

#include <string>

namespace lampion {
/// "2.13" of "2.13.0"
std::string minor_of(const std::string &version);

/// Throws unless the libtorch in this process is of the minor version this file was compiled for.
/// TorchScript's C++ interface changes between minors without a linker noticing.
void require_compiled_torch();
}    // namespace lampion

#endif
