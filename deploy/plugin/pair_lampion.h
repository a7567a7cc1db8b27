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
struct Manifest;
struct Potential;
struct Result;
class ShortPairs;
}    // namespace lampion

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
  void finish() override;
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
  void make_room(int);
  void evaluate(lampion::Potential &, const int *);
  void forces(const lampion::Potential &, double **);

 private:
  // ghosts folded onto owners (one rank), states exchanged between layers, or a ghost shell of n_layers cutoffs
  enum { FOLDED, EXCHANGED, EXTENDED };

  struct Impl;    // model, graph and units: no torch in this header
  Impl *impl;
  int mode;
  double cutoff;    // in the units of the run

  void allocate();
  void map_types(int, char **);
  std::string working_dtype(const lampion::Manifest &) const;
  int rank_on_node() const;
  void watch_distances(const char *);
  void log_model(const char *);
  void require_bonded_pairs();
  void refuse_virials();
  void refuse_pressure();
  void choose_mode();
  void widen_ghost_shell();
  void log_exchange();
  void build_graph(lampion::Potential &, const int *, lampion::ShortPairs &);
  bool wants_moments() const;
  void learn_owners();
  bool is_watched() const;
  void stop_at_short_pairs();
  void run_model(lampion::Potential &, bool);
  void add_energies(const double *);
  void add_forces(const lampion::Potential &, double **);
  void lack_virial();
  void add_virial(const double *);
  void add_centroid_virial(const lampion::Result &);
};
}    // namespace LAMMPS_NS

#endif
#endif
