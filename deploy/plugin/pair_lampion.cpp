// SPDX-License-Identifier: GPL-2.0-or-later

// The pair style from its construction to its end; the input script, the set-up of a run, a step, and the exchange
// between ranks stand in the files named after them.

#include "pair_lampion_impl.h"

#include "atom.h"
#include "comm.h"
#include "compute.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "modify.h"

using namespace LAMMPS_NS;

PairLampion::PairLampion(LAMMPS *lmp) : Pair(lmp), impl(nullptr), mode(FOLDED), cutoff(0.0)
{
  single_enable = 0;
  restartinfo = 0;
  one_coeff = 1;
  manybody_flag = 1;
  no_virial_fdotr_compute = 1;
  centroidstressflag = CENTROID_AVAIL;
  comm_forward = 1;    // the owner's index
  impl = new Impl(comm, this);
}

PairLampion::~PairLampion()
{
  if (copymode) return;
  delete impl;
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
    memory->destroy(cutghost);
  }
}

void PairLampion::allocate()
{
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  memory->create(cutghost, n, n, "pair:cutghost");
  map = new int[n];
  allocated = 1;
}

// called by LAMMPS at the end of each run
void PairLampion::finish()
{
  if (!impl->manifest.conservative) refuse_pressure();
  if (!impl->short_pairs.watches()) return;
  const auto report = impl->short_pairs.report(world);
  if (comm->me == 0) utils::logmesg(lmp, "Lampion: {}\n", report);
}

void PairLampion::refuse_pressure()
{
  for (const auto *compute : modify->get_compute_list())
    if (compute->pressflag && (compute->invoked_scalar >= 0 || compute->invoked_vector >= 0))
      error->all(FLERR, "The model predicts forces that are the gradient of no energy, so there is no pressure, which "
                 "this input prints or uses; write: thermo_style custom step temp pe ke etotal");
}

double PairLampion::init_one(int i, int j)
{
  cutghost[i][j] = cutghost[j][i] = cutoff;
  return cutoff;
}

double PairLampion::memory_usage()
{
  const double graph = impl->graph ? impl->graph->bytes() : 0.0;    // `info` asks before there is a pair_coeff
  return Pair::memory_usage() + graph + sizeof(double) * impl->owner.capacity();
}
