// SPDX-License-Identifier: GPL-2.0-or-later

#include "stop_together.h"

#include "comm.h"
#include "error.h"
#include "fmt/format.h"

#include <algorithm>
#include <climits>

using namespace LAMMPS_NS;
using lampion::MOST_SUSPECTS;
using lampion::Suspect;

namespace {

// the message of rank `root` on every rank
std::string broadcast(std::string text, int root, MPI_Comm world)
{
  int length = static_cast<int>(text.size());
  MPI_Bcast(&length, 1, MPI_INT, root, world);
  text.resize(length);
  MPI_Bcast(text.data(), length, MPI_CHAR, root, world);
  return text;
}

// the worst suspects of all ranks; those of a rank are padded with atoms of type 0 to one length
std::vector<Suspect> gather(std::vector<Suspect> mine, int n_ranks, MPI_Comm world)
{
  constexpr int SIZE = MOST_SUSPECTS * sizeof(Suspect) / sizeof(double);
  mine.resize(MOST_SUSPECTS, Suspect{});
  std::vector<Suspect> all(static_cast<size_t>(n_ranks) * MOST_SUSPECTS);
  MPI_Allgather(mine.data(), SIZE, MPI_DOUBLE, all.data(), SIZE, MPI_DOUBLE, world);
  all.erase(std::remove_if(all.begin(), all.end(), [](const Suspect &atom) { return atom.type == 0.0; }), all.end());
  lampion::keep_worst(all);
  return all;
}

std::string listed(const std::vector<Suspect> &suspects)
{
  std::string text;
  for (const auto &atom : suspects)
    text += fmt::format("{} {:.0f} (type {:.0f}) at ({:.8g} {:.8g} {:.8g}), nearest neighbor at {:.6g}",
                        text.empty() ? "; atoms" : ",", atom.id, atom.type, atom.x[0], atom.x[1], atom.x[2],
                        atom.nearest);
  return text;
}
}    // namespace

void lampion::keep_worst(std::vector<Suspect> &suspects)
{
  const size_t n = std::min<size_t>(suspects.size(), MOST_SUSPECTS);
  std::partial_sort(suspects.begin(), suspects.begin() + n, suspects.end(),
                    [](const Suspect &a, const Suspect &b) { return a.nearest < b.nearest; });
  suspects.resize(n);
}

void lampion::stop_if_any(LAMMPS *lmp, const std::string &message, const std::vector<Suspect> &suspects)
{
  const int mine = message.empty() ? INT_MAX : lmp->comm->me;
  int first;
  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, lmp->world);
  if (first == INT_MAX) return;
  const auto text = broadcast(message, first, lmp->world);
  lmp->error->all(FLERR, text + listed(gather(suspects, lmp->comm->nprocs, lmp->world)));
}
