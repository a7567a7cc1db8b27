// SPDX-License-Identifier: GPL-2.0-or-later
// What LAMMPS calls back when rows travel between owned atoms and ghosts: rows of impl->exchange.

#include "pair_lampion_impl.h"

#include <algorithm>

using namespace LAMMPS_NS;

int PairLampion::pack_forward_comm(int n, int *atoms, double *buf, int /*pbc_flag*/, int * /*pbc*/)
{
  for (int k = 0; k < n; k++) impl->exchange.read_row(atoms[k], buf + k * impl->exchange.width);
  return n * impl->exchange.width;
}

void PairLampion::unpack_forward_comm(int n, int first, double *buf)
{
  const auto &exchange = impl->exchange;
  for (int k = 0; k < n; k++)
    if (double *row = exchange.row(first + k)) std::copy_n(buf + k * exchange.width, exchange.width, row);
}

int PairLampion::pack_reverse_comm(int n, int first, double *buf)
{
  for (int k = 0; k < n; k++) impl->exchange.read_row(first + k, buf + k * impl->exchange.width);
  return n * impl->exchange.width;
}

void PairLampion::unpack_reverse_comm(int n, int *atoms, double *buf)
{
  const auto &exchange = impl->exchange;
  for (int k = 0; k < n; k++) {
    double *row = exchange.row(atoms[k]);
    if (!row) continue;
    for (int c = 0; c < exchange.width; c++) row[c] += buf[k * exchange.width + c];
  }
}
