// SPDX-License-Identifier: GPL-2.0-or-later

#include "fix_lampion_replicas_impl.h"

#include "stop_together.h"

#include "atom.h"
#include "comm.h"
#include "compute.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "modify.h"
#include "neighbor.h"
#include "timer.h"
#include "update.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <string>

using namespace LAMMPS_NS;
using namespace lampion;

/* ---------------------------------------------------------------------- */

FixLampionReplicas::FixLampionReplicas(LAMMPS *lmp, int narg, char **arg) :
    Fix(lmp, narg, arg), impl(nullptr), energies(nullptr)
{
  if (igroup != 0)
    error->all(FLERR, "fix lampion/replicas watches every atom; write: fix {} all lampion/replicas elements C H O", id);
  if (!atom->molecule_flag || !atom->tag_enable)
    error->all(FLERR, "fix lampion/replicas tells replicas by molecule ids; write: atom_style molecular (or full)");
  impl = new Impl;
  impl->settings = parse_replica_settings(lmp, narg - 3, arg + 3);
  nevery = static_cast<int>(impl->settings.every);
  scalar_flag = vector_flag = 1;
  size_vector = N_KINDS;
  global_freq = 1;
  extscalar = extvector = 0;
  restart_global = 1;
  time_depend = 1;    // excursions, records and restarts count steps
  force_reneighbor = 1;
  next_reneighbor = -1;
}

FixLampionReplicas::~FixLampionReplicas()
{
  if (copymode) return;
  if (energies && modify->get_compute_by_id(fmt::format("{}_energies", id)))
    modify->delete_compute(fmt::format("{}_energies", id));
  delete impl;
}

void FixLampionReplicas::post_constructor()
{
  energies = modify->add_compute(fmt::format("{}_energies all pe/atom", id));
}

int FixLampionReplicas::setmask()
{
  using namespace FixConst;
  return PRE_EXCHANGE | POST_FORCE | END_OF_STEP;
}

/* ----------------------------------------------------------------------
   set-up of a run
------------------------------------------------------------------------- */

void FixLampionReplicas::init()
{
  if (utils::strmatch(update->integrate_style, "^respa"))
    error->all(FLERR, "fix lampion/replicas looks at the forces of whole steps; write: run_style verlet");
  if (modify->get_fix_by_style("^lampion/replicas$").size() > 1)
    error->all(FLERR, "There may be one fix lampion/replicas only: it takes atoms out of the run");
  require_box();
}

// Atoms are taken out by putting them outside, which a box that shrink-wraps would follow.
void FixLampionReplicas::require_box()
{
  if (domain->nonperiodic == 2)
    error->all(FLERR, "fix lampion/replicas cannot follow a box that shrink-wraps; write: boundary p p p (or f f f)");
  if (domain->triclinic)
    error->all(FLERR, "fix lampion/replicas needs an orthogonal box; the shape of the box does not matter to molecules");
}

// Collective forces would let replicas feel each other, and the failed ones.
void FixLampionReplicas::require_invisible()
{
  if (impl->roster.n_replicas == 1) return;
  for (const auto *style : {"^qeq/", "^acks2/", "^qtpie/"})
    if (!modify->get_fix_by_style(style).empty() && comm->me == 0)
      error->warning(FLERR, "Lampion: charges are equilibrated over all replicas, which feel each other through them");
  if (force->kspace)
    error->all(FLERR, "A kspace_style lets replicas feel each other; choose a potential of finite range");
  for (int k = 0; k < neighbor->nex_mol; k++)
    if (neighbor->ex_mol_group[k] == igroup && !neighbor->ex_mol_intra[k]) return;
  error->all(FLERR, "Replicas must not see each other; write: neigh_modify exclude molecule/inter all");
}

// Called before the atoms of a run are distributed: those of failed replicas may be in a restart file.
void FixLampionReplicas::setup_pre_exchange()
{
  impl->removal = impl->removal || impl->resumed;
  pre_exchange();
}

void FixLampionReplicas::setup(int /*vflag*/)
{
  if (impl->roster.n_replicas == 0) begin();
  else if (impl->resumed) open_files();
  require_invisible();
  look();
  stop_if_none_left();
}

void FixLampionReplicas::begin()
{
  try {
    impl->roster = read_roster(lmp);
  } catch (const std::exception &e) {
    error->all(FLERR, e.what());
  }
  impl->prepare(force->angstrom);
  gather(true);
  for (int replica = 0; replica < impl->roster.n_replicas; replica++) {
    impl->bonds.begin(replica, impl->frame);
    const auto now = measure(replica, impl->roster, impl->settings, {force->mvv2e, force->boltz}, impl->frame);
    impl->start_energy[replica] = now.pe + now.ke;
  }
  open_files();
}

void FixLampionReplicas::open_files()
{
  std::string message;
  try {
    if (comm->me == 0) impl->open_files(update->unit_style, update->dt, update->ntimestep);
  } catch (const std::exception &e) {
    message = e.what();
  }
  stop_if_any(lmp, message);
  impl->resumed = false;
}

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

/* ----------------------------------------------------------------------
   restart files and output
------------------------------------------------------------------------- */

void FixLampionReplicas::write_restart(FILE *file)
{
  if (comm->me != 0) return;
  auto packed = impl->pack();
  packed.insert(packed.begin(), static_cast<double>(packed.size()));
  const int size = static_cast<int>(packed.size() * sizeof(double));
  fwrite(&size, sizeof(int), 1, file);
  fwrite(packed.data(), sizeof(double), packed.size(), file);
}

void FixLampionReplicas::restart(char *buffer)
{
  const auto *values = reinterpret_cast<const double *>(buffer);
  try {
    impl->unpack({values + 1, static_cast<size_t>(values[0])}, force->angstrom);
  } catch (const std::exception &e) {
    error->all(FLERR, e.what());
  }
}

double FixLampionReplicas::compute_scalar()
{
  return impl->roster.n_replicas - impl->n_alive();
}

double FixLampionReplicas::compute_vector(int kind)
{
  return static_cast<double>(std::count(impl->kind.begin(), impl->kind.end(), kind));
}

double FixLampionReplicas::memory_usage()
{
  return impl->last_frames.bytes() + impl->frame.bytes();
}
