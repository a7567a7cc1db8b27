// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_UNITS_H
#define LAMPION_UNITS_H

#include <string>

namespace lampion {

/// One model unit expressed in the units of the run.
struct Units {
  double length;
  double energy;
};

/// From a model in `model_units` ("metal" or "lj") to LAMMPS's `unit_style`.
/// Throws std::runtime_error if the two cannot be converted.
Units conversion(const std::string &model_units, const std::string &unit_style);
}    // namespace lampion

#endif
