// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_REPLICA_FAILURE_H
#define LAMPION_REPLICA_FAILURE_H

#include "replica_bonds.h"
#include "replica_frame.h"
#include "replica_roster.h"
#include "replica_settings.h"

#include <array>
#include <optional>
#include <string>

namespace lampion {

/// Why a replica was taken out; the order is that of the fix's vector.
enum Kind { NONFINITE, FORCE, TEMPERATURE, DISTANCE, ENERGY, BONDS, LOST, N_KINDS };
constexpr int ALIVE = -1;
constexpr std::array<const char *, N_KINDS> KIND_NAMES = {"nonfinite", "force",  "temperature", "distance",
                                                          "energy",    "bonds", "lost"};

/// One replica's end.
struct Failure {
  int replica;      ///< from 0
  int64_t step;     ///< first step of what led to it
  int64_t detected;
  Kind kind;
  int i, j;         ///< atoms inside the replica from 1, 0: none
  double value;     ///< what crossed the limit
};

/// What is known of a living replica at one step.
struct Measured {
  double pe = 0.0, ke = 0.0, temperature = 0.0, fmax = 0.0;
  Geometry geometry{};
};

/// Factors of the unit system: mass * velocity^2 to energy, and Boltzmann's constant.
struct KineticUnits {
  double mvv2e, boltz;
};

/// Atoms lost, numbers that are none, forces beyond the limit: what is looked for at every step.
std::optional<Failure> judge_forces(int replica, const Roster &, const ReplicaSettings &, const ReplicaFrame &);
/// Energies, temperature and largest force; the geometry is that of `ReplicaBonds::compare`.
Measured measure(int replica, const Roster &, const ReplicaSettings &, const KineticUnits &, const ReplicaFrame &);
/// Distance, temperature, energy and bonds. `energy_change` since the start, 0 if not known; `dt` the time step.
std::optional<Failure> judge(int replica, const ReplicaSettings &, const Measured &, double energy_change, double dt,
                             int64_t step);
/// A failure in words.
std::string describe(const Failure &);
}    // namespace lampion

#endif
