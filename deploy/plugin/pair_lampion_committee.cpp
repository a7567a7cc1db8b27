// SPDX-License-Identifier: GPL-2.0-or-later
// What pair_style lampion does for the further models of a committee: compute lampion/deviation.

#include "pair_lampion_impl.h"

#include "atom.h"
#include "error.h"

#include <algorithm>

using namespace LAMMPS_NS;

const lampion::Potential &PairLampion::potential() const
{
  return *impl;
}

// The neighbor list and the ghosts are those the running model asked for; another model must do with them.
void PairLampion::require_reach(const char *path, const lampion::Potential &other)
{
  const int n_layers = other.manifest.n_layers;
  if (other.cutoff > cutoff || (mode == EXTENDED && n_layers * other.cutoff > impl->manifest.n_layers * cutoff))
    error->all(FLERR, "Model file {} reaches farther ({} x {:.8g}) than the model of pair_style lampion ({} x {:.8g}), "
               "whose neighbors it is given; name it in pair_coeff, and that model here", path, n_layers, other.cutoff,
               impl->manifest.n_layers, cutoff);
  if (mode == EXCHANGED && n_layers > 1 && !other.model->layered())
    error->all(FLERR, "Model file {} has no embed and layer, but the model of pair_style lampion has; on several MPI "
               "ranks name it in pair_coeff, and that model here", path);
}

// Collective. Another model on the neighbors of this step.
void PairLampion::evaluate(lampion::Potential &potential, const int *types)
{
  lampion::ShortPairs unwatched;
  build_graph(potential, types, unwatched);
  run_model(potential, false);
}

// Collective. All forces of a potential's last evaluation, complete on the owned atoms of `f`, (nlocal + nghost, 3).
void PairLampion::forces(const lampion::Potential &potential, double **f)
{
  std::fill_n(f[0], 3 * (atom->nlocal + atom->nghost), 0.0);
  add_forces(potential, f);
  if (mode == FOLDED) return;
  impl->exchange.row_of_atom = nullptr;
  impl->exchange.reverse(f[0], 3);
}
