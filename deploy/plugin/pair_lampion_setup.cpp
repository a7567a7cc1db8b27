// SPDX-License-Identifier: GPL-2.0-or-later

// Before a run: what the input must not ask for, and how states reach ghost atoms.

#include "pair_lampion_impl.h"

#include "atom.h"
#include "comm.h"
#include "compute.h"
#include "error.h"
#include "force.h"
#include "modify.h"
#include "neighbor.h"

#include <algorithm>
#include <cstring>

using namespace LAMMPS_NS;

void PairLampion::init_style()
{
  if (!force->newton_pair)
    error->all(FLERR, "pair_style lampion sends the forces on ghost atoms to their owners; write: newton on");
  require_bonded_pairs();
  refuse_virials();
  choose_mode();
  impl->announced = false;
  if (mode == EXTENDED) widen_ghost_shell();
  comm_forward = comm_reverse = 1;
  if (mode == EXCHANGED) make_room(impl->model->state_width());
  neighbor->add_request(this, NeighConst::REQ_FULL | (mode == EXTENDED ? NeighConst::REQ_GHOST : 0));
}

// For rows of `width` numbers in LAMMPS's buffers. A tiled layout receives no more than what stands here, whatever
// width it is given for a single exchange; hybrid copies these sizes before pair_coeff has told how wide a state is.
void PairLampion::make_room(int width)
{
  for (auto *pair : {static_cast<Pair *>(this), force->pair}) {
    pair->comm_forward = std::max(pair->comm_forward, width);
    pair->comm_reverse = std::max(pair->comm_reverse, width);
  }
}

// LAMMPS keeps bonded pairs in the list, marked, unless both factors are 0 and there is no long-range solver.
void PairLampion::require_bonded_pairs()
{
  if (atom->molecular == Atom::ATOMIC || atom->nbonds == 0 || force->kspace) return;
  for (int k = 1; k <= 3; k++)
    if (force->special_lj[k] == 0.0 && force->special_coul[k] == 0.0)
      error->all(FLERR, "pair_style lampion must see bonded neighbors, which special_bonds leaves out of the neighbor "
                 "list; write: special_bonds lj/coul 1.0 1.0 1.0");
}

// Forces that come from no energy have no virial either. Whether thermo prints the pressure cannot be seen here.
void PairLampion::refuse_virials()
{
  if (impl->manifest.conservative) return;
  for (const auto *style : {"^pressure", "^stress/atom", "^centroid/stress/atom", "^heat/flux"})
    for (const auto *compute : modify->get_compute_by_style(style))
      if (strcmp(compute->id, "thermo_press") != 0)
        error->all(FLERR, "The model predicts forces that are the gradient of no energy, so there is no virial for "
                   "compute {} of style {}; leave out what needs pressure or stress, a barostat too", compute->id,
                   compute->style);
}

void PairLampion::choose_mode()
{
  const auto &exchange = impl->options.exchange;
  const bool centroid = !modify->get_compute_by_style("^centroid/stress/atom").empty();
  if (!centroid && !modify->get_compute_by_style("^heat/flux").empty())
    error->all(FLERR, "compute heat/flux with pair_style lampion needs the virials of compute centroid/stress/atom: "
               "those of compute stress/atom are not the heat flux of a many-body potential");
  const bool passes_messages = impl->manifest.n_layers > 1;
  const bool whole = exchange == "ghost" || !impl->model->layered();
  if (centroid && passes_messages && exchange == "layer")
    error->all(FLERR, "compute centroid/stress/atom with a model of {} layers is computed on the ghost shell; write: "
               "exchange auto", impl->manifest.n_layers);
  if (passes_messages && (centroid || (whole && comm->nprocs > 1))) mode = EXTENDED;
  else mode = comm->nprocs == 1 ? FOLDED : EXCHANGED;
  ghostneigh = mode == EXTENDED;
}

void PairLampion::widen_ghost_shell()
{
  if (comm->mode != Comm::SINGLE)
    error->all(FLERR, "pair_style lampion with a ghost shell of several cutoffs needs: comm_modify mode single");
  comm->cutghostuser = std::max(comm->cutghostuser, impl->manifest.n_layers * cutoff + neighbor->skin);
}

// Said at the first step, when LAMMPS has settled the shell, and again only if it has changed.
void PairLampion::log_exchange()
{
  impl->announced = true;
  if (comm->me != 0) return;
  std::string how;
  if (mode == FOLDED)
    how = "one MPI rank, periodic images folded onto their owners, so keyword exchange has no effect";
  else if (mode == EXTENDED)
    how = fmt::format("the model is evaluated as a whole, so each MPI rank also computes the ghost atoms within {} "
                      "cutoffs ({:.6g})", impl->manifest.n_layers, comm->cutghostuser);
  else
    how = impl->manifest.n_layers > 1 ? "states of ghost atoms are exchanged between layers" :
                                        "energies depend on neighbors only, so nothing is exchanged between layers";
  const double shell = std::max(comm->cutghostuser, neighbor->cutneighmax);
  const auto line = fmt::format("Lampion: {}; ghost shell {:.6g}\n", how, shell);
  if (line != impl->logged) utils::logmesg(lmp, line);
  impl->logged = line;
}
