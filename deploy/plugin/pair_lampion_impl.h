// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LMP_PAIR_LAMPION_IMPL_H
#define LMP_PAIR_LAMPION_IMPL_H

#include "pair_lampion.h"

#include "ghost_exchange.h"
#include "pair_options.h"
#include "potential.h"
#include "short_pairs.h"

#include <string>
#include <vector>

struct LAMMPS_NS::PairLampion::Impl : lampion::Potential {
  Impl(Comm *&comm, Pair *pair) : exchange(comm, pair) {}

  lampion::Options options;
  lampion::GhostExchange exchange;
  lampion::ShortPairs short_pairs;
  std::vector<double> owner;    // per atom, the index of the owned atom it is an image of
  bool announced = false;       // since init_style
  std::string logged;           // the last line on mode and ghost shell: said again only if it changes
};

#endif
