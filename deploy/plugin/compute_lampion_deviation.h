// SPDX-License-Identifier: GPL-2.0-or-later

#ifdef COMPUTE_CLASS
// clang-format off
ComputeStyle(lampion/deviation,ComputeLampionDeviation);
// clang-format on
#else

#ifndef LMP_COMPUTE_LAMPION_DEVIATION_H
#define LMP_COMPUTE_LAMPION_DEVIATION_H

#include "compute.h"

namespace lampion {
struct Potential;
}

namespace LAMMPS_NS {

class ComputeLampionDeviation : public Compute {
 public:
  ComputeLampionDeviation(class LAMMPS *, int, char **);
  ~ComputeLampionDeviation() override;
  void init() override;
  void compute_vector() override;
  void compute_peratom() override;
  double memory_usage() override;

 private:
  struct Impl;    // the further models: no torch and no STL type in this header
  Impl *impl;
  class PairLampion *pair;    // runs the first model
  bigint at_init;             // evaluations of the pair style before this run
  bigint up_to_date;          // evaluations of the pair style when the values were last computed
  int n_owned;                // nlocal then
  int nmax;
  double **f;       // (nmax, 3) forces of one member, ghosts included
  double **mean;    // (nmax, 3) mean force of the members so far

  void load_members();
  void map_types();
  void update_deviations();
  void require_current();
  void grow();
  void add_forces(const lampion::Potential &, int);
  void reduce_forces(int);
  double total_seen();
};
}    // namespace LAMMPS_NS

#endif
#endif
