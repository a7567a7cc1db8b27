// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_REPLICA_FRAME_H
#define LAMPION_REPLICA_FRAME_H

#include "pointers.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace lampion {

/// An orthogonal box.
struct Box {
  std::array<double, 3> low, high;
  std::array<bool, 3> periodic;

  /// The component of a distance vector to the nearest periodic image.
  double nearest(double d, int axis) const
  {
    const double length = high[axis] - low[axis];
    return periodic[axis] && std::abs(d) > 0.5 * length ? d - length * std::round(d / length) : d;
  }
};

/// The atoms of all replicas at one step, in the order of their ids.
struct ReplicaFrame {
  int64_t step = -1;
  Box box{};
  std::vector<char> there;           ///< (n,) 0 if no rank owns this atom
  std::vector<double> x, v, f;       ///< (n, 3), positions unwrapped
  std::vector<double> energies;      ///< (n,) or empty

  double bytes() const { return sizeof(double) * (3.0 * x.size() + energies.size()) + there.size(); }
};

/// Collective: fills `frame` with `n` atoms, the same on all ranks; `energies` are those of the owned atoms, if wanted.
void gather_frame(LAMMPS_NS::LAMMPS *, int n, bool with_energies, const double *energies, ReplicaFrame &frame);
}    // namespace lampion

#endif
