// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_GHOST_EXCHANGE_H
#define LAMPION_GHOST_EXCHANGE_H

#include "model.h"

#include "comm.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace lampion {

/// Rows of numbers that LAMMPS carries between owned atoms and their ghosts. The pair style's pack and unpack
/// functions, which LAMMPS calls back, find here what is being sent. LAMMPS's buffers are of doubles; rows of
/// floats travel in them two to a double, so that half as many bytes pass between the ranks.
class GhostExchange : public Exchange {
 public:
  /// `comm` by reference: `comm_style` puts another object in its place.
  GhostExchange(LAMMPS_NS::Comm *&comm, LAMMPS_NS::Pair *pair) : comm(comm), pair(pair) {}

  void forward(float *rows, int width) override { comm->forward_comm(pair, take(rows, width)); }
  void forward(double *rows, int width) override { comm->forward_comm(pair, take(rows, width)); }
  void reverse(float *rows, int width) override { comm->reverse_comm(pair, take(rows, width)); }
  void reverse(double *rows, int width) override { comm->reverse_comm(pair, take(rows, width)); }

  /// Doubles that a row takes in a buffer.
  int stride() const { return doubles; }

  /// The row of an atom, zeros if the model does not see it.
  void read(int atom, double *buf) const
  {
    if (const char *const from = row(atom)) memcpy(buf, from, bytes);
    else std::fill_n(buf, doubles, 0.0);
  }

  void write(int atom, const double *buf) const
  {
    if (char *const to = row(atom)) memcpy(to, buf, bytes);
  }

  void add(int atom, const double *buf) const
  {
    char *const to = row(atom);
    if (!to) return;
    if (single) add_reals<float>(to, buf);
    else add_reals<double>(to, buf);
  }

  const std::vector<int> *row_of_atom = nullptr;    // nullptr: row = atom; -1: the model does not see it

 private:
  template <typename Real> int take(Real *data, int width)
  {
    rows = reinterpret_cast<char *>(data);
    bytes = width * sizeof(Real);
    doubles = static_cast<int>((bytes + sizeof(double) - 1) / sizeof(double));
    single = sizeof(Real) == sizeof(float);
    return doubles;
  }

  char *row(int atom) const
  {
    const int k = row_of_atom ? (*row_of_atom)[atom] : atom;
    return k < 0 ? nullptr : rows + k * bytes;
  }

  template <typename Real> void add_reals(char *to, const double *buf) const
  {
    Real *const sum = reinterpret_cast<Real *>(to);
    const char *from = reinterpret_cast<const char *>(buf);
    for (size_t c = 0; c < bytes / sizeof(Real); c++, from += sizeof(Real)) {
      Real share;
      memcpy(&share, from, sizeof(Real));
      sum[c] += share;
    }
  }

  LAMMPS_NS::Comm *&comm;
  LAMMPS_NS::Pair *pair;
  char *rows = nullptr;
  size_t bytes = 0;    // of a row
  int doubles = 0;
  bool single = false;
};
}    // namespace lampion

#endif
