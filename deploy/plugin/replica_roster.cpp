// SPDX-License-Identifier: GPL-2.0-or-later

#include "replica_roster.h"

#include "atom.h"
#include "comm.h"
#include "fmt/format.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

using namespace LAMMPS_NS;

namespace {

constexpr const char *REMEDY =
    "; number the atoms so that replica r = 1, 2, ... is molecule r and has the ids (r-1)*n+1 .. r*n";

struct Entry {
  double id, molecule, type, mass;
};

std::vector<Entry> all_entries(LAMMPS *lmp)
{
  const auto *atom = lmp->atom;
  std::vector<double> mine;
  for (int i = 0; i < atom->nlocal; i++) {
    const double mass = atom->rmass ? atom->rmass[i] : atom->mass[atom->type[i]];
    for (const double value : {double(atom->tag[i]), double(atom->molecule[i]), double(atom->type[i]), mass})
      mine.push_back(value);
  }
  const auto rows = lampion::gather_rows(lmp, mine);
  std::vector<Entry> entries(rows.size() / 4);
  for (size_t k = 0; k < entries.size(); k++)
    entries[k] = {rows[4 * k], rows[4 * k + 1], rows[4 * k + 2], rows[4 * k + 3]};
  std::sort(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) { return a.id < b.id; });
  return entries;
}

int number_of_replicas(const std::vector<Entry> &entries)
{
  double most = 0.0;
  for (const auto &entry : entries) {
    if (entry.molecule < 1.0)
      throw std::runtime_error(fmt::format("fix lampion/replicas: atom {:.0f} has no molecule id, which tells the "
                                           "replica{}", entry.id, REMEDY));
    most = std::max(most, entry.molecule);
  }
  if (entries.empty() || entries.size() % static_cast<size_t>(most) != 0)
    throw std::runtime_error(fmt::format("fix lampion/replicas: {} atoms do not make {:.0f} equal replicas{}",
                                         entries.size(), most, REMEDY));
  return static_cast<int>(most);
}

void require_order(const std::vector<Entry> &entries, const lampion::Roster &roster)
{
  for (size_t k = 0; k < entries.size(); k++) {
    const auto &[id, molecule, type, mass] = entries[k];
    if (id != k + 1.0 || molecule != static_cast<double>(k / roster.n_atoms + 1))
      throw std::runtime_error(fmt::format("fix lampion/replicas: atom {:.0f} of molecule {:.0f} is not in its place "
                                           "among replicas of {} atoms{}", id, molecule, roster.n_atoms, REMEDY));
    if (type != roster.types[k % roster.n_atoms])
      throw std::runtime_error(fmt::format("fix lampion/replicas: atom {:.0f} has type {:.0f}, but atom {} of the first "
                                           "replica has type {}; replicas must be equal molecules, with their atoms in "
                                           "the same order", id, type, k % roster.n_atoms + 1,
                                           roster.types[k % roster.n_atoms]));
  }
}
}    // namespace

std::vector<double> lampion::gather_rows(LAMMPS *lmp, const std::vector<double> &mine)
{
  const int n_ranks = lmp->comm->nprocs;
  if (n_ranks == 1) return mine;
  const int size = static_cast<int>(mine.size());
  std::vector<int> sizes(n_ranks), starts(n_ranks, 0);
  MPI_Allgather(&size, 1, MPI_INT, sizes.data(), 1, MPI_INT, lmp->world);
  std::partial_sum(sizes.begin(), sizes.end() - 1, starts.begin() + 1);
  std::vector<double> all(starts.back() + sizes.back());
  MPI_Allgatherv(mine.data(), size, MPI_DOUBLE, all.data(), sizes.data(), starts.data(), MPI_DOUBLE, lmp->world);
  return all;
}

lampion::Roster lampion::read_roster(LAMMPS *lmp)
{
  const auto entries = all_entries(lmp);
  Roster roster;
  roster.n_replicas = number_of_replicas(entries);
  roster.n_atoms = static_cast<int>(entries.size()) / roster.n_replicas;
  for (int k = 0; k < roster.n_atoms; k++) {
    roster.types.push_back(static_cast<int>(entries[k].type));
    roster.masses.push_back(entries[k].mass);
  }
  require_order(entries, roster);
  return roster;
}
