// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_FINGERPRINT_H
#define LAMPION_FINGERPRINT_H

#include <string>

namespace lampion {
/// FNV-1a hash of a file's bytes: tells one model from the next in a log, and protects from nothing.
std::string fingerprint(const std::string &path);
}    // namespace lampion

#endif
