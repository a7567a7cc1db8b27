// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_GHOST_EXCHANGE_H
#define LAMPION_GHOST_EXCHANGE_H

#include "model.h"

#include "comm.h"

#include <algorithm>
#include <vector>

namespace lampion {

/// Rows of numbers that LAMMPS carries between owned atoms and their ghosts. The pair style's pack
/// and unpack functions, which LAMMPS calls back, find here what is being sent.
class GhostExchange : public Exchange {
 public:
  GhostExchange(LAMMPS_NS::Comm *comm, LAMMPS_NS::Pair *pair) : comm(comm), pair(pair) {}

  void forward(double *data, int columns) override
  {
    rows = data;
    width = columns;
    comm->forward_comm(pair, columns);
  }

  void reverse(double *data, int columns) override
  {
    rows = data;
    width = columns;
    comm->reverse_comm(pair, columns);
  }

  // row of an atom; nullptr if the model does not see it
  double *row(int atom) const
  {
    const int k = row_of_atom ? (*row_of_atom)[atom] : atom;
    return k < 0 ? nullptr : rows + static_cast<int64_t>(k) * width;
  }

  void read_row(int atom, double *out) const
  {
    const double *const from = row(atom);
    if (from) std::copy_n(from, width, out);
    else std::fill_n(out, width, 0.0);
  }

  const std::vector<int> *row_of_atom = nullptr;    // nullptr: row = atom
  double *rows = nullptr;
  int width = 0;

 private:
  LAMMPS_NS::Comm *comm;
  LAMMPS_NS::Pair *pair;
};
}    // namespace lampion

#endif
