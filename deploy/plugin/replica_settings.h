// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_REPLICA_SETTINGS_H
#define LAMPION_REPLICA_SETTINGS_H

#include "pointers.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace lampion {

/// A limit that is switched off.
constexpr double NO_LIMIT = std::numeric_limits<double>::infinity();

/// Keywords of `fix lampion/replicas` in the units of the run.
struct ReplicaSettings {
  std::vector<std::string> elements;    ///< one per atom type
  int64_t every = 1;
  std::string record, failures;         ///< files, empty: not written
  int64_t record_every = 20;
  int64_t keep = 0, keep_every = 1;
  std::string keep_prefix;

  double force = 0.0;                   ///< set from 100 eV/Angstrom
  double temperature = 10000.0;
  double distance = 0.5;                ///< of the sum of covalent radii; 0: off
  double energy = NO_LIMIT;
  double break_factor = 1.6;
  bool bonds = true;                    ///< whether a changed bond graph is a failure
  double persist = 0.0;                 ///< set from 50 fs
  int dof = INTERNAL;                   ///< a number, or one of the next two
  enum { INTERNAL = -1, ALL = -2 };

  /// Degrees of freedom of a molecule of n atoms.
  double degrees_of_freedom(int n) const;
};

/// Stops the run, on all ranks, with what is wrong and what to write.
ReplicaSettings parse_replica_settings(LAMMPS_NS::LAMMPS *, int narg, char **arg);
}    // namespace lampion

#endif
