// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_MANIFEST_H
#define LAMPION_MANIFEST_H

#include "model.h"

#include <map>
#include <string>
#include <vector>

namespace lampion {

/// What lmp needs of `lampion.json`; the page deploy/README.md documents the whole file.
struct Manifest {
  double cutoff;                          ///< > 0, in the model's unit of length
  std::vector<std::string> type_names;    ///< at least one
  int n_layers;                           ///< >= 1
  std::string dtype;                      ///< "float32" or "float64"
  std::string units;                      ///< "metal" or "lj"
  std::map<std::string, double> shortest_distance;    ///< in training, by "A-B"; empty if the file does not tell
  std::optional<Compiled> compiled;
  bool conservative;    ///< false: the module returns forces, which are the gradient of no energy
};

/// Throws std::runtime_error naming the key that is missing or wrong.
Manifest parse_manifest(const std::string &text);
}    // namespace lampion

#endif
