// SPDX-License-Identifier: GPL-2.0-or-later

#include "pair_lampion_impl.h"

#include "fingerprint.h"
#include "model_library.h"
#include "stop_together.h"

#include "atom.h"
#include "comm.h"
#include "compute.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "modify.h"
#include "neighbor.h"
#include "update.h"

#include <algorithm>
#include <cstring>
#include <exception>

using namespace LAMMPS_NS;

/* ---------------------------------------------------------------------- */

PairLampion::PairLampion(LAMMPS *lmp) : Pair(lmp), impl(nullptr), mode(FOLDED), cutoff(0.0)
{
  single_enable = 0;
  restartinfo = 0;
  one_coeff = 1;
  manybody_flag = 1;
  no_virial_fdotr_compute = 1;
  centroidstressflag = CENTROID_AVAIL;
  comm_forward = 1;    // the owner's index
  impl = new Impl(comm, this);
}

PairLampion::~PairLampion()
{
  if (copymode) return;
  delete impl;
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
    memory->destroy(cutghost);
  }
}

/* ----------------------------------------------------------------------
   input script
------------------------------------------------------------------------- */

void PairLampion::settings(int narg, char **arg)
{
  try {
    impl->options = lampion::parse_options(narg, arg);
  } catch (const std::exception &e) {
    error->all(FLERR, e.what());
  }
  // a model that was loaded with other options must not go on
  for (int i = 1; allocated && i <= atom->ntypes; i++) std::fill_n(setflag[i], atom->ntypes + 1, 0);
}

void PairLampion::coeff(int narg, char **arg)
{
  if (narg < 3)    // that the first two are asterisks, LAMMPS has seen to
    error->all(FLERR, "pair_coeff for pair_style lampion needs the model file and one name per atom type; write: "
               "pair_coeff * * model.pt Ar");
  if (!allocated) allocate();
  load_model(arg[2], *impl);
  cutoff = impl->cutoff;
  watch_distances(arg[2]);
  map_types(narg - 3, arg + 3);
  log_model(arg[2]);
}

void PairLampion::allocate()
{
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  memory->create(cutghost, n, n, "pair:cutghost");
  map = new int[n];
  allocated = 1;
}

// A node may lack the file or have another torch, so every rank reads for itself and all stop together.
void PairLampion::load_model(const char *path, lampion::Potential &into)
{
  std::string message;
  const int rank = rank_on_node();    // collective, so not where an exception could leave it out
  try {
    auto &library = lampion::model_library();
    const auto text = library.read_manifest(path);
    try {
      into.manifest = lampion::parse_manifest(text);
      into.units = lampion::conversion(into.manifest.units, update->unit_style);
    } catch (const std::exception &e) {
      throw std::runtime_error(fmt::format("Model file {}: {}", path, e.what()));
    }
    const auto &manifest = into.manifest;
    const auto dtype = working_dtype(manifest);
    const int n_types = static_cast<int>(manifest.type_names.size());
    into.model = library.load(path, {dtype, impl->options.device, rank, manifest.n_layers, n_types, comm->nthreads,
                                     manifest.conservative, manifest.dtype, manifest.cutoff, manifest.compiled});
    if (impl->options.exchange == "layer" && !into.model->layered())
      throw std::runtime_error(fmt::format("Model file {}: the module has no embed and layer, so it cannot be "
                                           "evaluated by layers; write: exchange auto", path));
    into.graph = std::make_unique<lampion::Graph>(dtype == "float32");
    into.cutoff = manifest.cutoff * into.units.length;
  } catch (const std::exception &e) {
    message = e.what();
  }
  lampion::stop_if_any(lmp, message);
}

std::string PairLampion::working_dtype(const lampion::Manifest &manifest) const
{
  return impl->options.precision == "model" ? manifest.dtype : impl->options.precision;
}

// The ranks of a node share its devices. Asked only for device cuda: the splitting is collective.
int PairLampion::rank_on_node() const
{
  if (impl->options.device != "cuda") return 0;
  MPI_Comm node;
  MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, comm->me, MPI_INFO_NULL, &node);
  int rank;
  MPI_Comm_rank(node, &rank);
  MPI_Comm_free(&node);
  return rank;
}

void PairLampion::watch_distances(const char *path)
{
  const auto &m = impl->manifest;
  const bool off = impl->options.distance == "off";
  impl->short_pairs = off ? lampion::ShortPairs() :
                            lampion::ShortPairs(m.type_names, m.shortest_distance, impl->units.length);
  if (impl->options.distance == "stop" && !impl->short_pairs.watches())
    error->all(FLERR, "Model file {}: it does not tell the shortest distances of its training data, which distance "
               "stop needs; write: distance off", path);
}

void PairLampion::map_types(int nnames, char **names)
{
  const auto &known = impl->manifest.type_names;
  const int ntypes = atom->ntypes;
  if (nnames != ntypes)
    error->all(FLERR, "pair_coeff names {} atom types, but the box has {}; give one of {} (or NULL under hybrid) "
               "for each type after the model file", nnames, ntypes, utils::join_words(known, ", "));
  for (int i = 1; i <= ntypes; i++) {
    const auto found = std::find(known.begin(), known.end(), names[i - 1]);
    map[i] = found == known.end() ? -1 : static_cast<int>(found - known.begin());
    if (map[i] < 0 && strcmp(names[i - 1], "NULL") != 0)
      error->all(FLERR, "The model was not trained for '{}', given in pair_coeff for atom type {}; it knows: {}",
                 names[i - 1], i, utils::join_words(known, ", "));
  }
  for (int i = 1; i <= ntypes; i++)
    for (int j = 1; j <= ntypes; j++) setflag[i][j] = map[i] >= 0 && map[j] >= 0;
}

void PairLampion::log_model(const char *path)
{
  if (comm->me != 0) return;
  const auto &m = impl->manifest;
  const auto types = utils::join_words(m.type_names, " ");
  const auto dtype = working_dtype(m);
  const auto cast = dtype == m.dtype ? "" : " (cast from " + m.dtype + ")";
  utils::logmesg(lmp, "Lampion model {} (fingerprint {}): types {}, cutoff {:.8g} in units {}, n_layers {}, {}{}, "
                 "device {}, {} thread(s) per MPI rank\n", path, lampion::fingerprint(path), types, cutoff,
                 update->unit_style, m.n_layers, dtype, cast, impl->options.device, comm->nthreads);
  if (!m.conservative)
    error->warning(FLERR, "Lampion: the model predicts forces that are the gradient of no energy: the total energy is "
                   "not conserved, energies are zero, and there is no pressure");
  if (impl->options.distance != "off" && !impl->short_pairs.watches())
    utils::logmesg(lmp, "Lampion: the model file does not tell the shortest distances of its training data, so short "
                   "pairs are not counted\n");
}

/* ----------------------------------------------------------------------
   set-up of a run
------------------------------------------------------------------------- */

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

void PairLampion::refuse_pressure()
{
  for (const auto *compute : modify->get_compute_list())
    if (compute->pressflag && (compute->invoked_scalar >= 0 || compute->invoked_vector >= 0))
      error->all(FLERR, "The model predicts forces that are the gradient of no energy, so there is no pressure, which "
                 "this input prints or uses; write: thermo_style custom step temp pe ke etotal");
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

// called by LAMMPS at the end of each run
void PairLampion::finish()
{
  if (!impl->manifest.conservative) refuse_pressure();
  if (!impl->short_pairs.watches()) return;
  const auto report = impl->short_pairs.report(world);
  if (comm->me == 0) utils::logmesg(lmp, "Lampion: {}\n", report);
}

double PairLampion::init_one(int i, int j)
{
  cutghost[i][j] = cutghost[j][i] = cutoff;
  return cutoff;
}

double PairLampion::memory_usage()
{
  const double graph = impl->graph ? impl->graph->bytes() : 0.0;    // `info` asks before there is a pair_coeff
  return Pair::memory_usage() + graph + sizeof(double) * impl->owner.capacity();
}
