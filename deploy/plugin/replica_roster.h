// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_REPLICA_ROSTER_H
#define LAMPION_REPLICA_ROSTER_H

#include "pointers.h"

#include <string>
#include <vector>

namespace lampion {

/// Who is in the box: equal molecules, replica r = 0, 1, ... with the ids r * n_atoms + 1 .. (r + 1) * n_atoms.
struct Roster {
  int n_replicas = 0;
  int n_atoms = 0;               ///< of one replica
  std::vector<int> types;        ///< (n_atoms,) LAMMPS types, the same in every replica
  std::vector<double> masses;    ///< (n_atoms,)
};

/// Collective. Throws std::runtime_error, on all ranks alike, if ids, molecule ids or types are not as above.
Roster read_roster(LAMMPS_NS::LAMMPS *);

/// Collective. The rows of all ranks, one rank's after the other.
std::vector<double> gather_rows(LAMMPS_NS::LAMMPS *, const std::vector<double> &mine);
}    // namespace lampion

#endif
