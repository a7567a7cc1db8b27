// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_GRAPH_H
#define LAMPION_GRAPH_H

#include "model.h"

#include <vector>

namespace LAMMPS_NS {
class NeighList;
}

namespace lampion {

class ShortPairs;

/// The atoms of a rank as LAMMPS holds them: owned ones first, then ghosts.
struct Atoms {
  int n_owned;
  int n_all;
  const double *const *x;
  const int *type;
  const int *map;    ///< LAMMPS type -> type of the model, -1 for atoms the model does not see
};

/// LAMMPS's neighbour list as the graph a model reads. Buffers live as long as the object and only grow.
class Graph {
 public:
  explicit Graph(bool single_precision) : single_precision_(single_precision) {}

  /// Rows: the listed owned atoms, then one per ghost.
  void number_nodes(const LAMMPS_NS::NeighList &, const Atoms &);
  /// Rows: the listed owned atoms only; ghost j stands for the owned atom `owner[j]`.
  void number_nodes_folded(const LAMMPS_NS::NeighList &, const Atoms &, const std::vector<double> &owner);
  /// Pairs closer than `cutoff`; vectors are multiplied by `scale`. Pairs of the centers are shown to `watch`.
  void fill_edges(const LAMMPS_NS::NeighList &, const Atoms &, double cutoff, double scale, ShortPairs &watch);
  /// Keep the positions of all rows times `scale`, from the middle of the centers, where rounding is smallest.
  void fill_positions(const double *const *x, double scale);

  /// `with_positions`: after `fill_positions`, asks the model for moments.
  GraphView view(bool with_positions) const;
  int n_centers() const { return n_centers_; }
  int64_t n_edges() const { return n_edges_; }
  int center_row(int64_t edge) const { return static_cast<int>(edge_index_[edge]); }
  int neighbor_row(int64_t edge) const { return static_cast<int>(edge_index_[n_edges_ + edge]); }
  /// The row of an atom; -1 if the model does not see it.
  const std::vector<int> &row_of_atom() const { return row_of_atom_; }
  int center_atom(int64_t edge) const { return atom_of_row_[center_row(edge)]; }
  int neighbor_atom(int64_t edge) const { return atom_of_row_[neighbor_row(edge)]; }
  int atom_of_row(int row) const { return atom_of_row_[row]; }
  double edge_vector(int64_t edge, int axis) const
  {
    return single_precision_ ? floats_[3 * edge + axis] : doubles_[3 * edge + axis];
  }
  double position(int row, int axis) const { return positions_[3 * row + axis]; }
  double bytes() const;

 private:
  void add_row(int atom, const Atoms &);
  void number_centers(const LAMMPS_NS::NeighList &, const Atoms &);
  void reserve(int64_t n_edges);
  template <typename Real>
  void fill(const LAMMPS_NS::NeighList &, const Atoms &, double cutoff, double scale, ShortPairs &watch,
            std::vector<Real> &vectors);

  bool single_precision_;
  int n_centers_ = 0;
  int64_t n_edges_ = 0;
  std::vector<int> row_of_atom_, atom_of_row_;
  std::vector<int64_t> types_, edge_index_;
  std::vector<float> floats_;
  std::vector<double> doubles_, positions_;
};
}    // namespace lampion

#endif
