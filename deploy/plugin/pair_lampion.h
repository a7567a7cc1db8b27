// SPDX-License-Identifier: GPL-2.0-or-later

#ifdef PAIR_CLASS
// clang-format off
PairStyle(lampion,PairLampion);
// clang-format on
#else

#ifndef LMP_PAIR_LAMPION_H
#define LMP_PAIR_LAMPION_H

#include "pair.h"

namespace lampion {
struct Potential;
}

namespace LAMMPS_NS {

class PairLampion : public Pair {
 public:
  PairLampion(class LAMMPS *);
  ~PairLampion() override;
  void compute(int, int) override;
  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  int pack_forward_comm(int, int *, double *, int, int *) override;
  void unpack_forward_comm(int, int, double *) override;
  int pack_reverse_comm(int, int, double *) override;
  void unpack_reverse_comm(int, int *, double *) override;
  double memory_usage() override;

  // for compute lampion/deviation: further models on the neighbors and by the communication of this one
  const lampion::Potential &potential() const;
  const int *model_types() const { return map; }
  void load_model(const char *, lampion::Potential &);
  void require_reach(const char *, const lampion::Potential &);
  void evaluate(lampion::Potential &, const int *);
  void forces(const lampion::Potential &, double **);
  void stop_if_any(const char *);

 private:
  // ghosts folded onto owners (one rank), states exchanged between layers, or a ghost shell of n_layers cutoffs
  enum { FOLDED, EXCHANGED, EXTENDED };

  struct Impl;    // model, graph and units: no torch and no STL type in this header
  Impl *impl;
  int mode;
  double cutoff;    // in the units of the run

  void allocate();
  void map_types(int, char **);
  void log_model(const char *);
  void build_graph(lampion::Potential &, const int *);
  void learn_owners();
  void add_energies(const double *);
  void add_forces(const lampion::Potential &, double **);
  void add_virial(const double *);
};
}    // namespace LAMMPS_NS

#endif
#endif
