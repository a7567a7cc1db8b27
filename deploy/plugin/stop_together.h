// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_STOP_TOGETHER_H
#define LAMPION_STOP_TOGETHER_H

#include "pointers.h"

#include <string>
#include <vector>

namespace lampion {

/// An atom to be named in an error, as plain numbers, so that ranks can exchange it.
struct Suspect {
  double id, type, x[3], nearest;    ///< `nearest`: distance of its nearest neighbour
};

/// Collective. If any rank has a `message`, all ranks stop with that of the lowest such rank, followed by
/// the `suspects` of all ranks, those with the closest neighbours first, at most five. A rank that
/// aborted alone could take the others' output, and so the reason, with it.
void stop_if_any(LAMMPS_NS::LAMMPS *, const std::string &message, const std::vector<Suspect> &suspects = {});

/// As many suspects as one error names.
constexpr int MOST_SUSPECTS = 5;
/// The worst ones first, no more than are named.
void keep_worst(std::vector<Suspect> &suspects);
}    // namespace lampion

#endif
