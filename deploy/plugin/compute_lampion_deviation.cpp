// SPDX-License-Identifier: GPL-2.0-or-later

#include "compute_lampion_deviation.h"

#include "pair_lampion.h"
#include "potential.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "update.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

using namespace LAMMPS_NS;

namespace {

constexpr bigint NEVER = -1;

/// A further model of the committee.
struct Member {
  std::string path;
  lampion::Potential potential;
  std::vector<int> types;    // LAMMPS type -> type of this model
};

std::vector<std::string> sorted(std::vector<std::string> names)
{
  std::sort(names.begin(), names.end());
  return names;
}

double sum(const lampion::Potential &potential)
{
  double total = 0.0;
  for (int k = 0; k < potential.graph->n_centers(); k++) total += potential.result.node_energies[k];
  return total * potential.units.energy;
}

// sqrt(<(x - <x>)^2>), from differences to the first value: exactly zero for equal ones
double spread(const std::vector<double> &values)
{
  const double n = static_cast<double>(values.size());
  double sum = 0.0, squares = 0.0;
  for (const double value : values) {
    const double x = value - values[0];
    sum += x;
    squares += x * x;
  }
  return sqrt(std::max(0.0, squares - sum * sum / n) / n);
}
}    // namespace

struct ComputeLampionDeviation::Impl {
  std::vector<Member> members;
};

/* ---------------------------------------------------------------------- */

ComputeLampionDeviation::ComputeLampionDeviation(LAMMPS *lmp, int narg, char **arg) :
    Compute(lmp, narg, arg), impl(nullptr), pair(nullptr), at_init(0), up_to_date(NEVER), n_owned(0), nmax(0),
    f(nullptr), mean(nullptr)
{
  if (narg < 4)
    error->all(FLERR, "compute lampion/deviation needs the model files to compare with that of pair_style lampion; "
               "write: compute {} {} lampion/deviation b.pt c.pt", arg[0], arg[1]);
  vector_flag = peratom_flag = 1;
  size_vector = 3;
  extvector = 0;
  size_peratom_cols = 0;
  vector = new double[size_vector];
  impl = new Impl;
  impl->members.resize(narg - 3);
  for (int k = 3; k < narg; k++) impl->members[k - 3].path = arg[k];
}

ComputeLampionDeviation::~ComputeLampionDeviation()
{
  if (copymode) return;
  delete impl;
  delete[] vector;
  memory->destroy(vector_atom);
  memory->destroy(f);
  memory->destroy(mean);
}

/* ----------------------------------------------------------------------
   set-up of a run
------------------------------------------------------------------------- */

void ComputeLampionDeviation::init()
{
  pair = dynamic_cast<PairLampion *>(force->pair_match("lampion", 1));
  if (!pair)
    error->all(FLERR, "compute lampion/deviation compares its models with that of the one pair_style lampion, which "
               "this input {}; write: pair_style lampion and pair_coeff * * a.pt with one name per atom type",
               force->pair_match("lampion", 1, 1) ? "has twice" : "does not have");
  load_members();
  map_types();
  at_init = pair->potential().evaluations;
  up_to_date = NEVER;
}

void ComputeLampionDeviation::load_members()
{
  pair->make_room(3);    // forces
  for (auto &[path, potential, types] : impl->members) {
    if (!potential.model) pair->load_model(path.c_str(), potential);
    pair->require_reach(path.c_str(), potential);
    pair->make_room(potential.model->state_width());
  }
}

// The names given in pair_coeff hold for all members, which may list them in another order.
void ComputeLampionDeviation::map_types()
{
  const auto &first = pair->potential().manifest;
  for (auto &[path, potential, types] : impl->members) {
    const auto &own = potential.manifest;
    if (own.units != first.units)
      error->all(FLERR, "Model file {} is in units {}, the model of pair_style lampion in units {}; all members of a "
                 "committee need the same", path, own.units, first.units);
    if (sorted(own.type_names) != sorted(first.type_names))
      error->all(FLERR, "Model file {} knows {}, the model of pair_style lampion {}; all members of a committee need "
                 "the same elements", path, utils::join_words(own.type_names, " "),
                 utils::join_words(first.type_names, " "));
    types.assign(atom->ntypes + 1, -1);
    for (int i = 1; i <= atom->ntypes; i++) {
      const int k = pair->model_types()[i];
      if (k < 0) continue;    // NULL: not an atom of these models
      const auto found = std::find(own.type_names.begin(), own.type_names.end(), first.type_names[k]);
      types[i] = static_cast<int>(found - own.type_names.begin());
    }
  }
}

/* ----------------------------------------------------------------------
   only on the steps that ask
------------------------------------------------------------------------- */

void ComputeLampionDeviation::compute_vector()
{
  invoked_vector = update->ntimestep;
  update_deviations();
}

void ComputeLampionDeviation::compute_peratom()
{
  invoked_peratom = update->ntimestep;
  update_deviations();
}

// What the pair style holds must be of this step and of these atoms: its neighbors and the first model's forces.
void ComputeLampionDeviation::require_current()
{
  const auto &first = pair->potential();
  if (update->whichflag == 0)
    error->all(FLERR, "compute lampion/deviation {} was not asked for on the last step, or atoms came or went since; "
               "between runs only values of the last step are there: put it into thermo_style or a dump", id);
  if (first.evaluations == at_init || first.step != update->ntimestep)
    error->all(FLERR, "compute lampion/deviation {} was asked before the forces of step {} were there; ask at the end "
               "of a step (thermo_style, dump, fix halt, fix ave/time)", id, update->ntimestep);
}

void ComputeLampionDeviation::update_deviations()
{
  if (force->pair_match("lampion", 1) != pair)
    error->all(FLERR, "compute lampion/deviation {} belongs to the pair_style lampion of the last run, which is gone; "
               "give it and its pair_coeff again, and run", id);
  const auto &first = pair->potential();
  if (up_to_date == first.evaluations && n_owned == atom->nlocal) return;
  require_current();
  grow();
  n_owned = atom->nlocal;
  std::vector<double> energies{sum(first)};
  add_forces(first, 1);
  for (auto &[path, potential, types] : impl->members) {
    pair->evaluate(potential, types.data());
    energies.push_back(sum(potential));
    add_forces(potential, static_cast<int>(energies.size()));
  }
  MPI_Allreduce(MPI_IN_PLACE, energies.data(), static_cast<int>(energies.size()), MPI_DOUBLE, MPI_SUM, world);
  reduce_forces(static_cast<int>(energies.size()));
  vector[2] = spread(energies) / std::max(total_seen(), 1.0);
  up_to_date = first.evaluations;
}

void ComputeLampionDeviation::grow()
{
  if (nmax < atom->nlocal + atom->nghost || !f) {
    nmax = atom->nlocal + atom->nghost + 1;
    memory->destroy(f);
    memory->destroy(mean);
    memory->destroy(vector_atom);
    memory->create(f, nmax, 3, "lampion/deviation:f");
    memory->create(mean, nmax, 3, "lampion/deviation:mean");
    memory->create(vector_atom, nmax, "lampion/deviation:vector_atom");
  }
  std::fill_n(mean[0], 3 * nmax, 0.0);
  std::fill_n(vector_atom, nmax, 0.0);
}

// Welford's update by the `n`-th member of mean force and, in vector_atom, of the summed square distance from
// it: two buffers for any number of members, and exact zeros for members that agree.
void ComputeLampionDeviation::add_forces(const lampion::Potential &member, int n)
{
  pair->forces(member, f);
  for (int i = 0; i < atom->nlocal; i++)
    for (int a = 0; a < 3; a++) {
      const double before = f[i][a] - mean[i][a];
      mean[i][a] += before / n;
      vector_atom[i] += before * (f[i][a] - mean[i][a]);
    }
}

// From sums of squares to deviations; maximum and mean over the group's atoms that the models see.
void ComputeLampionDeviation::reduce_forces(int n_members)
{
  double largest = 0.0, sums[2] = {0.0, 0.0};    // of deviations, of atoms
  for (int i = 0; i < atom->nlocal; i++) {
    const bool counts = (atom->mask[i] & groupbit) && pair->model_types()[atom->type[i]] >= 0;
    vector_atom[i] = counts ? sqrt(vector_atom[i] / n_members) : 0.0;
    largest = std::max(largest, vector_atom[i]);
    sums[0] += vector_atom[i];
    sums[1] += counts;
  }
  MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_DOUBLE, MPI_MAX, world);
  MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, world);
  vector[0] = largest;
  vector[1] = sums[0] / std::max(sums[1], 1.0);
}

// The atoms the models see, of all ranks and groups: their energy cannot be split between groups.
double ComputeLampionDeviation::total_seen()
{
  const double mine = pair->potential().graph->n_centers();
  double all;
  MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_SUM, world);
  return all;
}

double ComputeLampionDeviation::memory_usage()
{
  double bytes = 7.0 * nmax * sizeof(double);
  for (const auto &member : impl->members) bytes += member.potential.graph ? member.potential.graph->bytes() : 0.0;
  return bytes;
}
