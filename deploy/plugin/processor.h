// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_PROCESSOR_H
#define LAMPION_PROCESSOR_H

#include <string>
#include <vector>

namespace lampion {
/// Those of `extensions`, named as Linux names them, that this machine's processor lacks.
std::vector<std::string> missing_extensions(const std::vector<std::string> &extensions);
}    // namespace lampion

#endif
