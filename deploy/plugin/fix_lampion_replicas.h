// SPDX-License-Identifier: GPL-2.0-or-later

#ifdef FIX_CLASS
// clang-format off
FixStyle(lampion/replicas,FixLampionReplicas);
// clang-format on
#else

#ifndef LMP_FIX_LAMPION_REPLICAS_H
#define LMP_FIX_LAMPION_REPLICAS_H

#include "fix.h"

namespace LAMMPS_NS {

class FixLampionReplicas : public Fix {
 public:
  FixLampionReplicas(class LAMMPS *, int, char **);
  ~FixLampionReplicas() override;
  int setmask() override;
  void post_constructor() override;
  void init() override;
  void setup_pre_exchange() override;
  void setup(int) override;
  void pre_exchange() override;
  void post_force(int) override;
  void end_of_step() override;
  void write_restart(FILE *) override;
  void restart(char *) override;
  double compute_scalar() override;
  double compute_vector(int) override;
  double memory_usage() override;
  // Its symbol in the base class depends on LAMMPS's integer sizes, and where they are others the plugin must still load,
  // to say so.
  void set_molecule(int, tagint, int, double *, double *, double *) override {}

 private:
  struct Impl;    // settings, state and files: no STL type in this header
  Impl *impl;
  class Compute *energies;    // per atom, asked for on the steps that need them

  void require_box();
  void require_invisible();
  void begin();
  void resume();
  void open_files();
  int replica_of(int) const;
  void look();
  void look_at(int);
  void gather(bool);
  bool wants_energies(bigint) const;
  void ask_for_energies();
  void write_rows();
  void take_out_failed();
  void report_failed();
  void stop_if_none_left();
};
}    // namespace LAMMPS_NS

#endif
#endif
