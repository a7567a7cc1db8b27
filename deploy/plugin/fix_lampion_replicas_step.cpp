// SPDX-License-Identifier: GPL-2.0-or-later
// What fix lampion/replicas does during a run: it looks, judges, writes and takes out.

#include "fix_lampion_replicas_impl.h"

#include "atom.h"
#include "comm.h"
#include "compute.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "timer.h"
#include "update.h"

#include <cmath>
#include <exception>

using namespace LAMMPS_NS;
using namespace lampion;

/* ----------------------------------------------------------------------
   every step: what cannot wait
------------------------------------------------------------------------- */

void FixLampionReplicas::post_force(int /*vflag*/)
{
  const double limit_sq = impl->settings.force * impl->settings.force;
  bigint found[2] = {0, 0};    // atoms of living replicas, alarms
  for (int i = 0; i < atom->nlocal; i++) {
    if (!impl->alive(replica_of(i))) continue;
    const double *const f = atom->f[i], *const v = atom->v[i];
    const double f_sq = f[0] * f[0] + f[1] * f[1] + f[2] * f[2];
    const double v_sq = v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
    found[0]++;
    found[1] += f_sq > limit_sq || !std::isfinite(f_sq + v_sq);
  }
  MPI_Allreduce(MPI_IN_PLACE, found, 2, MPI_LMP_BIGINT, MPI_SUM, world);
  if (found[1] == 0 && found[0] == impl->n_alive() * static_cast<bigint>(impl->roster.n_atoms)) return;
  gather(false);
  for (int replica = 0; replica < impl->roster.n_replicas; replica++)
    if (impl->alive(replica)) impl->fail(judge_forces(replica, impl->roster, impl->settings, impl->frame));
  take_out_failed();
}

int FixLampionReplicas::replica_of(int i) const
{
  return static_cast<int>((atom->tag[i] - 1) / impl->roster.n_atoms);
}

/* ----------------------------------------------------------------------
   every so many steps: energies, geometry, files
------------------------------------------------------------------------- */

void FixLampionReplicas::end_of_step()
{
  look();
}

void FixLampionReplicas::look()
{
  const auto step = update->ntimestep;
  gather(wants_energies(step));
  for (int replica = 0; replica < impl->roster.n_replicas; replica++) {
    if (!impl->alive(replica)) continue;
    impl->fail(judge_forces(replica, impl->roster, impl->settings, impl->frame));
    if (impl->alive(replica)) look_at(replica);
  }
  if (impl->records(step)) write_rows();
  take_out_failed();
  if (impl->keeps(step)) impl->last_frames.add(impl->frame);
  ask_for_energies();
}

void FixLampionReplicas::look_at(int replica)
{
  auto &now = impl->measured[replica];
  now = measure(replica, impl->roster, impl->settings, {force->mvv2e, force->boltz}, impl->frame);
  now.geometry = impl->bonds.compare(replica, impl->frame);
  const double change = impl->frame.energies.empty() ? 0.0 : now.pe + now.ke - impl->start_energy[replica];
  impl->fail(judge(replica, impl->settings, now, change, update->dt, update->ntimestep));
}

// All ranks get all atoms, so that all come to the same verdict.
void FixLampionReplicas::gather(bool with_energies)
{
  if (with_energies && energies->invoked_peratom != update->ntimestep) energies->compute_peratom();
  gather_frame(lmp, impl->n_all(), with_energies, energies->vector_atom, impl->frame);
}

bool FixLampionReplicas::wants_energies(bigint step) const
{
  return impl->records(step) || (impl->settings.energy != NO_LIMIT && step % nevery == 0);
}

// Pair styles tally energies of atoms only on steps that were announced.
void FixLampionReplicas::ask_for_energies()
{
  const auto &settings = impl->settings;
  const bigint every = settings.energy != NO_LIMIT ? nevery : settings.record_every;
  if (settings.energy != NO_LIMIT || !settings.record.empty())
    energies->addstep((update->ntimestep / every + 1) * every);
}

void FixLampionReplicas::write_rows()
{
  impl->last_record = update->ntimestep;
  if (comm->me != 0) return;
  try {
    impl->record.append(impl->rows());
  } catch (const std::exception &e) {
    error->one(FLERR, e.what());
  }
}

/* ----------------------------------------------------------------------
   failures
------------------------------------------------------------------------- */

// At once their atoms stop where they are; at the next step, before forces are computed, they leave.
void FixLampionReplicas::take_out_failed()
{
  if (impl->failures.empty()) return;
  for (int i = 0; i < atom->nlocal; i++) {
    if (impl->alive(replica_of(i))) continue;
    for (int a = 0; a < 3; a++) atom->v[i][a] = atom->f[i][a] = 0.0;
  }
  const bigint here = atom->nlocal;
  MPI_Allreduce(&here, &atom->natoms, 1, MPI_LMP_BIGINT, MPI_SUM, world);    // without those that were lost
  impl->removal = true;
  next_reneighbor = update->ntimestep + 1;
  if (comm->me == 0) report_failed();
  impl->failures.clear();
  stop_if_none_left();
}

void FixLampionReplicas::report_failed()
{
  for (const auto &failure : impl->failures)
    utils::logmesg(lmp, "Lampion: replica {} failed at step {}: {}\n", failure.replica + 1, failure.step,
                   describe(failure));
  try {
    impl->write_failures();
  } catch (const std::exception &e) {
    error->one(FLERR, e.what());
  }
}

// Outside the box no rank takes them, so that LAMMPS drops them when atoms are next sent to their owners.
void FixLampionReplicas::pre_exchange()
{
  if (!impl->removal || impl->roster.n_replicas == 0) return;
  for (int i = 0; i < atom->nlocal; i++) {
    if (impl->alive(replica_of(i))) continue;
    for (int a = 0; a < 3; a++) atom->x[i][a] = domain->boxhi[a] + 3.0 * domain->prd[a];
  }
  atom->natoms = impl->n_alive() * static_cast<bigint>(impl->roster.n_atoms);
  impl->removal = false;
}

// as fix halt with error soft
void FixLampionReplicas::stop_if_none_left()
{
  if (impl->n_alive() > 0) return;
  if (comm->me == 0)
    utils::logmesg(lmp, "Lampion: all {} replicas have failed, so the run ends at step {}\n", impl->roster.n_replicas,
                   update->ntimestep);
  timer->force_timeout();
}
