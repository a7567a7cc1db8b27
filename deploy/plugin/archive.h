// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_ARCHIVE_H
#define LAMPION_ARCHIVE_H

#include <string>

namespace lampion {
/// Text of `lampion.json` inside the TorchScript archive `path`; nothing in it is executed.
/// Throws std::runtime_error if the file is missing, damaged or not made by Lampion.
std::string read_manifest(const std::string &path);
}    // namespace lampion

#endif
