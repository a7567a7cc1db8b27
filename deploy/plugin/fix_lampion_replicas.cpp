// SPDX-License-Identifier: GPL-2.0-or-later

#include "fix_lampion_replicas_impl.h"

#include "stop_together.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "modify.h"
#include "neighbor.h"
#include "update.h"

#include <algorithm>
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
  else if (impl->resumed) resume();
  require_invisible();
  look();
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

void FixLampionReplicas::resume()
{
  open_files();
  impl->resumed = false;
  stop_if_none_left();
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
