// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_POTENTIAL_H
#define LAMPION_POTENTIAL_H

#include "graph.h"
#include "manifest.h"
#include "model.h"
#include "units.h"

#include <cstdint>
#include <memory>

namespace lampion {

/// A model file made ready for the units of a run, and what it returned last.
struct Potential {
  Manifest manifest;
  Units units;
  double cutoff = 0.0;    ///< in the units of the run
  std::unique_ptr<Model> model;
  std::unique_ptr<Graph> graph;
  Result result{};            ///< of the last evaluation, on `graph`
  int64_t step = -1;          ///< the time step of the last evaluation
  int64_t evaluations = 0;    ///< how many there were
};
}    // namespace lampion

#endif
