// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_REPLICA_BONDS_H
#define LAMPION_REPLICA_BONDS_H

#include "replica_frame.h"
#include "replica_state.h"

#include <cstdint>
#include <vector>

namespace lampion {

/// Atoms are bonded if they are closer than this times the sum of their covalent radii.
constexpr double BOND_FACTOR = 1.2;
/// Atoms that were not bonded become so only when they are closer than this times the limit above: hysteresis.
constexpr double FORM_FACTOR = 0.95;

/// Two atoms of a replica, indices from 0.
struct AtomPair {
  int i, j;
  double distance;
};

/// What a replica looks like at one step.
struct Geometry {
  double shortest;           ///< the shortest distance
  AtomPair closest;          ///< the pair with the smallest ratio of distance to sum of covalent radii, ...
  double closest_ratio;      ///< ... and that ratio
  int n_broken, n_formed;    ///< pairs beyond the limits now
  AtomPair changed;          ///< of those, the one beyond them for the longest time, ...
  int64_t since;             ///< ... and the first step of that; -1 if there is none
};

/// The bond graphs of all replicas: how they began, and which bonds are away from it since when. Molecules are
/// small, so all pairs are looked at.
class ReplicaBonds {
 public:
  ReplicaBonds() = default;
  /// `radii` (n_atoms,) in the units of the run; a bond is broken beyond `break_factor` times their sum.
  ReplicaBonds(int n_replicas, const std::vector<double> &radii, double break_factor);

  /// The bonds of this replica are those of the frame.
  void begin(int replica, const ReplicaFrame &);
  /// Compares with the beginning, and remembers since when a pair differs.
  Geometry compare(int replica, const ReplicaFrame &);

  void pack(Packed &) const;
  void unpack(Unpacker &);

 private:
  struct Limits {
    int i, j;
    double covalent, bonded_sq, formed_sq, broken_sq;
  };
  double distance_sq(const Limits &, int replica, const ReplicaFrame &) const;
  void note_change(const Limits &, double d_sq, bool bonded, int64_t &since, int64_t step, Geometry &) const;

  int n_atoms_ = 0;
  std::vector<Limits> pairs_;
  std::vector<char> bonded_;       // (n_replicas, n_pairs) at the beginning
  std::vector<int64_t> since_;     // (n_replicas, n_pairs) first step of the excursion, -1 none
};
}    // namespace lampion

#endif
