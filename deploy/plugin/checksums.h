// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_CHECKSUMS_H
#define LAMPION_CHECKSUMS_H

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace lampion {
/// CRC-32 of every entry of the zip archive `path`, as its directory records it, by entry name.
/// Throws std::runtime_error if there is no readable directory. (torch itself checks no checksum.)
std::map<std::string, uint32_t> recorded_checksums(const std::string &path);
/// CRC-32 as in zip archives (polynomial 0x04C11DB7, reflected).
uint32_t checksum(const void *data, size_t size);
}    // namespace lampion

#endif
