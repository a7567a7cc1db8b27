// SPDX-License-Identifier: GPL-2.0-or-later

#include "processor.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

namespace {

std::set<std::string> extensions_here()
{
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("flags", 0) != 0 && line.rfind("Features", 0) != 0) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    return {std::istream_iterator<std::string>(words), {}};
  }
  return {};
}
}    // namespace

std::vector<std::string> lampion::missing_extensions(const std::vector<std::string> &extensions)
{
  const auto here = extensions_here();
  std::vector<std::string> missing;
  std::copy_if(extensions.begin(), extensions.end(), std::back_inserter(missing),
               [&](const std::string &name) { return here.count(name) == 0; });
  return missing;
}
