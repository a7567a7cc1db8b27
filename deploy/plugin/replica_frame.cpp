// SPDX-License-Identifier: GPL-2.0-or-later

#include "replica_frame.h"

#include "replica_roster.h"

#include "atom.h"
#include "domain.h"
#include "error.h"
#include "update.h"

#include <algorithm>

using namespace LAMMPS_NS;

namespace {

constexpr int WIDTH = 11;    // id, x, v, f, energy

// In an orthogonal box. Domain::unmap has a symbol that depends on LAMMPS's integer sizes, and where they are others the
// plugin must still load, to say so.
void unwrap(const Domain &domain, const double *x, imageint image, double *unwrapped)
{
  const imageint boxes[3] = {image & IMGMASK, image >> IMGBITS & IMGMASK, image >> IMG2BITS};
  for (int a = 0; a < 3; a++) unwrapped[a] = x[a] + static_cast<double>(boxes[a] - IMGMAX) * domain.prd[a];
}

std::vector<double> owned_rows(LAMMPS *lmp, bool with_energies, const double *energies)
{
  const auto *atom = lmp->atom;
  std::vector<double> rows(static_cast<size_t>(atom->nlocal) * WIDTH);
  for (int i = 0; i < atom->nlocal; i++) {
    double *const row = &rows[static_cast<size_t>(i) * WIDTH];
    row[0] = static_cast<double>(atom->tag[i]);
    unwrap(*lmp->domain, atom->x[i], atom->image[i], row + 1);
    std::copy_n(atom->v[i], 3, row + 4);
    std::copy_n(atom->f[i], 3, row + 7);
    row[10] = with_energies ? energies[i] : 0.0;
  }
  return rows;
}

void clear(lampion::ReplicaFrame &frame, int n, bool with_energies)
{
  frame.there.assign(n, 0);
  for (auto *values : {&frame.x, &frame.v, &frame.f}) values->assign(3 * static_cast<size_t>(n), 0.0);
  frame.energies.assign(with_energies ? n : 0, 0.0);
}
}    // namespace

void lampion::gather_frame(LAMMPS *lmp, int n, bool with_energies, const double *energies, ReplicaFrame &frame)
{
  clear(frame, n, with_energies);
  frame.step = lmp->update->ntimestep;
  const auto *domain = lmp->domain;
  for (int a = 0; a < 3; a++) {
    frame.box.low[a] = domain->boxlo[a];
    frame.box.high[a] = domain->boxhi[a];
    frame.box.periodic[a] = domain->periodicity[a] != 0;
  }
  const auto rows = gather_rows(lmp, owned_rows(lmp, with_energies, energies));
  for (size_t start = 0; start < rows.size(); start += WIDTH) {
    const double *const row = &rows[start];
    const int k = static_cast<int>(row[0]) - 1;
    if (k < 0 || k >= n)
      lmp->error->all(FLERR, "fix lampion/replicas: atom {} came after the start; atoms may only leave", k + 1);
    frame.there[k] = 1;
    std::copy_n(row + 1, 3, &frame.x[3 * k]);
    std::copy_n(row + 4, 3, &frame.v[3 * k]);
    std::copy_n(row + 7, 3, &frame.f[3 * k]);
    if (with_energies) frame.energies[k] = row[10];
  }
}
