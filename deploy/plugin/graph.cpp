// SPDX-License-Identifier: GPL-2.0-or-later

#include "graph.h"

#include "short_pairs.h"

#include "neigh_list.h"

#include <algorithm>

using LAMMPS_NS::NeighList;

void lampion::Graph::add_row(int atom, const Atoms &atoms)
{
  row_of_atom_[atom] = static_cast<int>(atom_of_row_.size());
  atom_of_row_.push_back(atom);
  types_.push_back(atoms.map[atoms.type[atom]]);
}

void lampion::Graph::number_centers(const NeighList &list, const Atoms &atoms)
{
  row_of_atom_.assign(atoms.n_all, -1);
  atom_of_row_.clear();
  types_.clear();
  // under hybrid the list holds only the atoms this style was given
  for (int ii = 0; ii < list.inum; ii++) add_row(list.ilist[ii], atoms);
  n_centers_ = list.inum;
}

void lampion::Graph::number_nodes(const NeighList &list, const Atoms &atoms)
{
  number_centers(list, atoms);
  for (int j = atoms.n_owned; j < atoms.n_all; j++)
    if (atoms.map[atoms.type[j]] >= 0) add_row(j, atoms);
}

void lampion::Graph::number_nodes_folded(const NeighList &list, const Atoms &atoms, const std::vector<double> &owner)
{
  number_centers(list, atoms);
  for (int j = atoms.n_owned; j < atoms.n_all; j++) row_of_atom_[j] = row_of_atom_[static_cast<int>(owner[j])];
}

void lampion::Graph::reserve(int64_t n_edges)
{
  const size_t least = std::max<int64_t>(n_edges, 1);    // torch is never handed a null pointer
  if (edge_index_.size() >= 2 * least) return;
  edge_index_.resize(2 * least);
  if (single_precision_) floats_.resize(3 * least);
  else doubles_.resize(3 * least);
}

void lampion::Graph::fill_edges(const NeighList &list, const Atoms &atoms, double cutoff, double scale,
                                ShortPairs &watch)
{
  if (single_precision_) fill(list, atoms, cutoff, scale, watch, floats_);
  else fill(list, atoms, cutoff, scale, watch, doubles_);
}

template <typename Real>
void lampion::Graph::fill(const NeighList &list, const Atoms &atoms, double cutoff, double scale,
                          ShortPairs &watch, std::vector<Real> &vectors)
{
  const int listed = list.inum + list.gnum;    // gnum > 0 only if ghosts were asked to be centers
  int64_t most = 0;
  for (int ii = 0; ii < listed; ii++) most += list.numneigh[list.ilist[ii]];
  reserve(most);

  int64_t *const centers = edge_index_.data();
  int64_t *const neighbors = centers + most;
  const double reach_sq = watch.reach_sq();
  int64_t n = 0;
  for (int ii = 0; ii < listed; ii++) {
    const int i = list.ilist[ii];
    const double *const xi = atoms.x[i];
    const int row = row_of_atom_[i];
    for (int jj = 0; jj < list.numneigh[i]; jj++) {
      const int j = list.firstneigh[i][jj] & NEIGHMASK;
      const double dx = atoms.x[j][0] - xi[0], dy = atoms.x[j][1] - xi[1], dz = atoms.x[j][2] - xi[2];
      const double distance_sq = dx * dx + dy * dy + dz * dz;
      if (distance_sq >= cutoff * cutoff) continue;
      if (distance_sq < reach_sq && ii < list.inum)    // a ghost's pairs are those of its owner
        watch.see(i, j, atoms.map[atoms.type[i]], atoms.map[atoms.type[j]], distance_sq);
      centers[n] = row;
      neighbors[n] = row_of_atom_[j];
      vectors[3 * n] = static_cast<Real>(dx * scale);
      vectors[3 * n + 1] = static_cast<Real>(dy * scale);
      vectors[3 * n + 2] = static_cast<Real>(dz * scale);
      n++;
    }
  }
  std::copy_n(neighbors, n, centers + n);    // the two rows become one (2, n) array
  n_edges_ = n;
}

void lampion::Graph::fill_positions(const double *const *x, double scale)
{
  double middle[3] = {};
  for (int row = 0; row < n_centers_; row++)
    for (int a = 0; a < 3; a++) middle[a] += x[atom_of_row_[row]][a] / n_centers_;
  positions_.resize(3 * std::max<size_t>(atom_of_row_.size(), 1));
  for (size_t row = 0; row < atom_of_row_.size(); row++)
    for (int a = 0; a < 3; a++) positions_[3 * row + a] = scale * (x[atom_of_row_[row]][a] - middle[a]);
}

lampion::GraphView lampion::Graph::view(bool with_positions) const
{
  const void *vectors = single_precision_ ? static_cast<const void *>(floats_.data()) : doubles_.data();
  return {n_centers_, static_cast<int64_t>(types_.size()), n_edges_, types_.data(), edge_index_.data(), vectors,
          with_positions ? positions_.data() : nullptr};
}

double lampion::Graph::bytes() const
{
  return sizeof(int) * (row_of_atom_.capacity() + atom_of_row_.capacity()) +
      sizeof(int64_t) * (types_.capacity() + edge_index_.capacity()) + sizeof(float) * floats_.capacity() +
      sizeof(double) * (doubles_.capacity() + positions_.capacity());
}
