// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_SHORT_PAIRS_H
#define LAMPION_SHORT_PAIRS_H

#include <cstdint>
#include <map>
#include <mpi.h>
#include <string>
#include <vector>

namespace lampion {

/// Counts pairs of atoms closer than any in the training data: there a model extrapolates towards
/// the repulsive wall, where most unstable runs begin. One pair at one evaluation is one event.
class ShortPairs {
 public:
  /// Nothing is watched.
  ShortPairs() = default;
  /// `shortest["A-B"]` is the shortest distance in training, in units of `1 / scale` of the run.
  /// Pairs without an entry are not watched; entries of unknown names are ignored.
  ShortPairs(const std::vector<std::string> &type_names, const std::map<std::string, double> &shortest, double scale);

  bool watches() const { return reach_sq_ > 0.0; }
  /// No pair at or beyond this squared distance is of interest.
  double reach_sq() const { return reach_sq_; }
  /// An edge (centre i, neighbour j), both given by atom and type of the model. A pair is two edges.
  void see(int i, int j, int type_i, int type_j, double distance_sq);
  /// Forget the closest pair of the evaluation before.
  void next_evaluation() { worst_ = {}; }

  /// The pair of this evaluation that is shortest compared with its limit; `ratio` is 1 if there is none.
  struct Pair {
    int i = -1, j = -1;
    double distance = 0.0, limit = 0.0, ratio = 1.0;
  };
  const Pair &worst() const { return worst_; }

  /// Collective: one sentence on the events of all ranks since the last report.
  std::string report(MPI_Comm world);

 private:
  int row(int a, int b) const { return a * n_types_ + b; }

  int n_types_ = 0;
  double reach_sq_ = 0.0;
  std::vector<std::string> names_;
  std::vector<double> limit_sq_, edges_, shortest_sq_;    // (n_types, n_types); tallies use the lower triangle
  Pair worst_;
};
}    // namespace lampion

#endif
