// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_PAIR_OPTIONS_H
#define LAMPION_PAIR_OPTIONS_H

#include <string>

namespace lampion {

/// Keywords of `pair_style lampion`, each with its default.
struct Options {
  std::string exchange = "auto";      ///< auto, layer or ghost
  std::string precision = "model";    ///< model, float32 or float64
  std::string device = "cpu";         ///< cpu, cuda or cuda:N
  std::string distance = "count";     ///< count, stop or off
};

/// Throws std::runtime_error naming the word that is wrong and the words that are right.
Options parse_options(int narg, const char *const *arg);
}    // namespace lampion

#endif
