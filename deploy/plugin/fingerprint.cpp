// SPDX-License-Identifier: GPL-2.0-or-later

#include "fingerprint.h"

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>

std::string lampion::fingerprint(const std::string &path)
{
  std::ifstream file(path, std::ios::binary);
  uint64_t hash = 0xcbf29ce484222325u;
  for (std::istreambuf_iterator<char> byte(file), end; byte != end; ++byte)
    hash = (hash ^ static_cast<unsigned char>(*byte)) * 0x100000001b3u;
  char text[17];
  snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}
