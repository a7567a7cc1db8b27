// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LMP_FIX_LAMPION_REPLICAS_IMPL_H
#define LMP_FIX_LAMPION_REPLICAS_IMPL_H

#include "fix_lampion_replicas.h"

#include "last_frames.h"
#include "replica_bonds.h"
#include "replica_failure.h"
#include "replica_files.h"
#include "replica_frame.h"
#include "replica_roster.h"
#include "replica_settings.h"
#include "replica_state.h"

#include <optional>
#include <string>
#include <vector>

/// What the fix knows; the same on all ranks but for the files, which are those of rank 0.
struct LAMMPS_NS::FixLampionReplicas::Impl {
  lampion::ReplicaSettings settings;
  lampion::Roster roster;              // empty before the first run
  lampion::ReplicaBonds bonds;
  lampion::LastFrames last_frames;
  std::vector<int> kind;               // (n_replicas,) of the failure, or ALIVE
  std::vector<double> start_energy;    // (n_replicas,) total energy at the start
  bigint last_record = -1;             // the step of the last rows
  bool resumed = false;

  lampion::ReplicaFrame frame;                // of the last look
  std::vector<lampion::Measured> measured;    // (n_replicas,) of the last look
  std::vector<lampion::Failure> failures;     // of this step
  bool removal = false;                       // atoms of failed replicas are still there
  lampion::RowFile record, failed;

  int n_all() const { return roster.n_replicas * roster.n_atoms; }
  bool alive(int replica) const { return kind[replica] == lampion::ALIVE; }
  int n_alive() const;
  void prepare(double angstrom);    // tables, once the roster is known
  bool records(bigint step) const;
  bool keeps(bigint step) const;
  void fail(const std::optional<lampion::Failure> &);

  void open_files(const char *units, double dt, bigint step);
  std::string header(const char *units, double dt, const char *columns) const;
  std::string kept_file(int replica) const;
  std::string rows() const;
  void write_failures();

  lampion::Packed pack() const;
  void unpack(lampion::Unpacker, double angstrom);
};

#endif
