// SPDX-License-Identifier: GPL-2.0-or-later
// Offsets are those of PKWARE's APPNOTE.TXT, sections 4.3.12 to 4.3.16.

#include "checksums.h"

#include <array>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace {

uint64_t number(const std::string &bytes, size_t offset, int width)
{
  if (offset + width > bytes.size()) throw std::runtime_error("the archive ends too early");
  uint64_t value = 0;
  for (int k = width; k-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[offset + k]);
  return value;
}

// where the directory of a plain or a 64-bit archive starts
size_t directory_start(const std::string &bytes)
{
  const size_t end = bytes.rfind("PK\5\6");
  if (end == std::string::npos) throw std::runtime_error("the archive has no directory");
  const uint64_t start = number(bytes, end + 16, 4);
  if (start != 0xffffffffu) return start;
  const size_t wide_end = bytes.rfind("PK\6\6", end);
  if (wide_end == std::string::npos) throw std::runtime_error("the archive has no directory");
  return number(bytes, wide_end + 48, 8);
}

std::array<uint32_t, 256> remainders()
{
  std::array<uint32_t, 256> table{};
  for (uint32_t k = 0; k < 256; k++) {
    uint32_t value = k;
    for (int bit = 0; bit < 8; bit++) value = value & 1 ? value >> 1 ^ 0xedb88320u : value >> 1;
    table[k] = value;
  }
  return table;
}
}    // namespace

std::map<std::string, uint32_t> lampion::recorded_checksums(const std::string &path)
{
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::map<std::string, uint32_t> found;
  for (size_t entry = directory_start(bytes); bytes.compare(entry, 4, "PK\1\2") == 0;) {
    const uint64_t name = number(bytes, entry + 28, 2), extra = number(bytes, entry + 30, 2);
    found[bytes.substr(entry + 46, name)] = static_cast<uint32_t>(number(bytes, entry + 16, 4));
    entry += 46 + name + extra + number(bytes, entry + 32, 2);
    if (entry > bytes.size()) throw std::runtime_error("the archive ends too early");
  }
  return found;
}

uint32_t lampion::checksum(const void *data, size_t size)
{
  static const auto table = remainders();
  const auto *byte = static_cast<const unsigned char *>(data);
  uint32_t value = 0xffffffffu;
  for (size_t k = 0; k < size; k++) value = value >> 8 ^ table[(value ^ byte[k]) & 0xff];
  return ~value;
}
