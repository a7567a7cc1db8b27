// SPDX-License-Identifier: GPL-2.0-or-later
// What LAMMPS calls back when rows travel between owned atoms and ghosts: rows of impl->exchange.

#include "pair_lampion_impl.h"

using namespace LAMMPS_NS;

int PairLampion::pack_forward_comm(int n, int *atoms, double *buf, int /*pbc_flag*/, int * /*pbc*/)
{
  const auto &exchange = impl->exchange;
  for (int k = 0; k < n; k++) exchange.read(atoms[k], buf + k * exchange.stride());
  return n * exchange.stride();
}

void PairLampion::unpack_forward_comm(int n, int first, double *buf)
{
  const auto &exchange = impl->exchange;
  for (int k = 0; k < n; k++) exchange.write(first + k, buf + k * exchange.stride());
}

int PairLampion::pack_reverse_comm(int n, int first, double *buf)
{
  const auto &exchange = impl->exchange;
  for (int k = 0; k < n; k++) exchange.read(first + k, buf + k * exchange.stride());
  return n * exchange.stride();
}

void PairLampion::unpack_reverse_comm(int n, int *atoms, double *buf)
{
  const auto &exchange = impl->exchange;
  for (int k = 0; k < n; k++) exchange.add(atoms[k], buf + k * exchange.stride());
}
