// SPDX-License-Identifier: GPL-2.0-or-later
// One step of pair_style lampion: neighbor list to graph, model, and what it returns to LAMMPS's arrays.

#include "pair_lampion_impl.h"

#include "not_finite.h"
#include "stop_together.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "modify.h"
#include "neigh_list.h"
#include "update.h"

#include <algorithm>
#include <exception>
#include <limits>

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   one step
------------------------------------------------------------------------- */

void PairLampion::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  if (!impl->announced) log_exchange();
  if (!impl->manifest.conservative) refuse_pressure();
  impl->short_pairs.next_evaluation();
  build_graph(*impl, map, impl->short_pairs);
  stop_at_short_pairs();
  const bool moments = wants_moments();
  if (moments) impl->graph->fill_positions(atom->x, 1.0 / impl->units.length);
  run_model(*impl, moments);
  add_energies(impl->result.node_energies);
  add_forces(*impl, atom->f);
  if (!impl->manifest.conservative) lack_virial();
  else if (vflag_global || vflag_atom) add_virial(impl->result.gradient);
  if (cvflag_atom) add_centroid_virial(impl->result);
}

// Deeper than one layer, an edge alone does not tell whose energy it changes.
bool PairLampion::wants_moments() const
{
  return cvflag_atom && impl->manifest.n_layers > 1;
}

void PairLampion::build_graph(lampion::Potential &potential, const int *types, lampion::ShortPairs &watch)
{
  auto &graph = *potential.graph;
  const lampion::Atoms atoms{atom->nlocal, atom->nlocal + atom->nghost, atom->x, atom->type, types};
  if (mode == FOLDED) {
    learn_owners();
    graph.number_nodes_folded(*list, atoms, impl->owner);
  } else {
    graph.number_nodes(*list, atoms);
  }
  impl->exchange.row_of_atom = &graph.row_of_atom();
  graph.fill_edges(*list, atoms, potential.cutoff, 1.0 / potential.units.length, watch);
}

// Collective. What the model returned stays in `potential` until its next evaluation.
void PairLampion::run_model(lampion::Potential &potential, bool with_moments)
{
  auto &result = potential.result;
  const auto &graph = *potential.graph;
  const auto view = graph.view(with_moments);
  const bool by_layers = mode == EXCHANGED && potential.model->layered();
  std::string trouble;
  std::vector<lampion::Suspect> suspects;
  try {
    result = by_layers ? potential.model->evaluate_by_layers(view, impl->exchange) : potential.model->evaluate(view);
    if (!lampion::is_finite(graph, result) && !is_watched()) {
      trouble = fmt::format("The model returned an energy or a gradient that is no finite number at step {}; look for "
                            "atoms that came too close, at the time step, and at the last frames", update->ntimestep);
      suspects = lampion::atoms_not_finite(graph, result, atom, potential.units.length);
    }
  } catch (const std::exception &e) {
    if (by_layers) error->one(FLERR, e.what());    // the other ranks wait inside the exchange
    trouble = e.what();
  }
  lampion::stop_if_any(lmp, trouble, suspects);
  potential.step = update->ntimestep;
  potential.evaluations++;
}

// fix lampion/replicas takes out the replica that lost its numbers, and the others go on
bool PairLampion::is_watched() const
{
  return update->whichflag == 1 && !modify->get_fix_by_style("^lampion/replicas$").empty();
}

void PairLampion::stop_at_short_pairs()
{
  if (impl->options.distance != "stop") return;
  const auto &worst = impl->short_pairs.worst();
  std::string message;
  if (worst.ratio < 1.0)
    message = fmt::format("Atoms {} and {} are {:.6g} apart at step {}, and {:.6g} is the shortest distance of their "
                          "types in the training data; look at the last frames, or write: distance count",
                          atom->tag[worst.i], atom->tag[worst.j], worst.distance, update->ntimestep, worst.limit);
  lampion::stop_if_any(lmp, message);
}

// Each owned atom sends its index to its ghosts. Done at every step, not only when neighbors are
// rebuilt: it costs a copy of nghost numbers, and can then not be out of date.
void PairLampion::learn_owners()
{
  auto &owner = impl->owner;
  owner.resize(atom->nlocal + atom->nghost);
  for (int i = 0; i < atom->nlocal; i++) owner[i] = i;
  impl->exchange.row_of_atom = nullptr;
  impl->exchange.forward(owner.data(), 1);
}

void PairLampion::add_energies(const double *node_energies)
{
  const auto &graph = *impl->graph;
  double total = 0.0;
  for (int k = 0; k < graph.n_centers(); k++) {
    const double energy = node_energies[k] * impl->units.energy;
    total += energy;
    if (eflag_atom) eatom[graph.atom_of_row(k)] += energy;
  }
  if (eflag_global) eng_vdwl += total;
}

// r_ij = r_j - r_i, so F_i = dE/dr_ij summed over the edges of i, and the opposite on j
void PairLampion::add_forces(const lampion::Potential &potential, double **f)
{
  const auto &graph = *potential.graph;
  const double scale = potential.units.energy / potential.units.length;
  if (const double *const forces = potential.result.node_forces) {
    for (int row = 0; row < graph.n_centers(); row++)
      for (int a = 0; a < 3; a++) f[graph.atom_of_row(row)][a] += scale * forces[3 * row + a];
    return;
  }
  const double *const gradient = potential.result.gradient;
  for (int64_t e = 0; e < graph.n_edges(); e++) {
    double *const fi = f[graph.center_atom(e)];
    double *const fj = f[graph.neighbor_atom(e)];
    for (int a = 0; a < 3; a++) {
      const double force_on_i = scale * gradient[3 * e + a];
      fi[a] += force_on_i;
      fj[a] -= force_on_i;
    }
  }
}

// LAMMPS asks for the virial whenever thermo prints; what is made of it is no number, until `refuse_pressure` stops it.
void PairLampion::lack_virial()
{
  if (vflag_global) std::fill_n(virial, 6, std::numeric_limits<double>::quiet_NaN());
}

// W = sum over edges of r_ij (x) f_ij with f_ij = -dE/dr_ij, half of it to either atom
void PairLampion::add_virial(const double *gradient)
{
  static constexpr int ROW[6] = {0, 1, 2, 0, 0, 1};    // xx yy zz xy xz yz
  static constexpr int COLUMN[6] = {0, 1, 2, 1, 2, 2};
  const auto &graph = *impl->graph;
  for (int64_t e = 0; e < graph.n_edges(); e++) {
    const int i = graph.center_atom(e);
    const int j = graph.neighbor_atom(e);
    for (int k = 0; k < 6; k++) {
      const double w = -impl->units.energy * graph.edge_vector(e, ROW[k]) * gradient[3 * e + COLUMN[k]];
      if (vflag_global) virial[k] += w;
      if (!vflag_atom) continue;
      vatom[i][k] += 0.5 * w;
      vatom[j][k] += 0.5 * w;
    }
  }
}

/* ----------------------------------------------------------------------
   The virial of atom j that the heat flux of a many-body potential needs (Fan et al., PRB 92, 094301, 2015;
   Langer et al., arXiv:2303.14434):

     W_j = - sum_i (r_j - r_i) (x) dE_i/dr_j     so that   d/dt sum_i r_i E_i = sum_i v_i E_i + sum_j W_j . v_j

   the second with the work of the forces included. Of one layer, E_i depends on the edges of i only, so
   an edge (i, j) gives all of its virial to j. Deeper, with g = dE/dr_pq and h = sum_i r_i (x) dE_i/dr_pq of
   edge (p, q), the sums over i are W_q -= r_q (x) g - h and W_p += r_p (x) g - h. Positions must be those
   of one frame, hence the unfolded ghost shell. Either way an edge adds - r_pq (x) g to the total.
------------------------------------------------------------------------- */

void PairLampion::add_centroid_virial(const lampion::Result &result)
{
  static constexpr int ROW[9] = {0, 1, 2, 0, 0, 1, 1, 2, 2};    // xx yy zz xy xz yz yx zx zy
  static constexpr int COLUMN[9] = {0, 1, 2, 1, 2, 2, 0, 0, 1};
  const auto &graph = *impl->graph;
  const double energy = impl->units.energy;
  const int64_t n = graph.n_edges();
  for (int64_t e = 0; e < n; e++) {
    double *const of_center = cvatom[graph.center_atom(e)];
    double *const of_neighbor = cvatom[graph.neighbor_atom(e)];
    for (int k = 0; k < 9; k++) {
      const int a = ROW[k], b = COLUMN[k];
      const double g = result.gradient[3 * e + b];
      if (!result.moments) {
        of_neighbor[k] -= energy * graph.edge_vector(e, a) * g;
        continue;
      }
      const double h = result.moments[3 * (n * a + e) + b];
      of_center[k] += energy * (graph.position(graph.center_row(e), a) * g - h);
      of_neighbor[k] -= energy * (graph.position(graph.neighbor_row(e), a) * g - h);
    }
  }
}
