// SPDX-License-Identifier: GPL-2.0-or-later

#include "pair_lampion.h"

#include "fingerprint.h"
#include "ghost_exchange.h"
#include "graph.h"
#include "model_library.h"
#include "potential.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstring>
#include <exception>
#include <memory>
#include <vector>

using namespace LAMMPS_NS;

struct PairLampion::Impl : lampion::Potential {
  Impl(Comm *comm, Pair *pair) : exchange(comm, pair) {}

  lampion::GhostExchange exchange;
  std::vector<double> owner;    // per atom, the index of the owned atom it is an image of
};

/* ---------------------------------------------------------------------- */

PairLampion::PairLampion(LAMMPS *lmp) : Pair(lmp), impl(nullptr), mode(FOLDED), cutoff(0.0)
{
  single_enable = 0;
  restartinfo = 0;
  one_coeff = 1;
  manybody_flag = 1;
  no_virial_fdotr_compute = 1;
  centroidstressflag = CENTROID_NOTAVAIL;
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
  if (narg > 0)
    error->all(FLERR, "pair_style lampion takes no arguments, got '{}'; the model file belongs to pair_coeff: "
               "pair_coeff * * model.pt Ar", arg[0]);
}

void PairLampion::coeff(int narg, char **arg)
{
  if (narg < 3)    // that the first two are asterisks, LAMMPS has seen to
    error->all(FLERR, "pair_coeff for pair_style lampion needs the model file and one name per atom type; write: "
               "pair_coeff * * model.pt Ar");
  if (!allocated) allocate();
  load_model(arg[2], *impl);
  cutoff = impl->cutoff;
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
    into.model = library.load(path, manifest.dtype, manifest.n_layers,
                              static_cast<int>(manifest.type_names.size()), comm->nthreads);
    into.graph = std::make_unique<lampion::Graph>(manifest.dtype == "float32");
    into.cutoff = manifest.cutoff * into.units.length;
  } catch (const std::exception &e) {
    message = e.what();
  }
  stop_if_any(message.c_str());
}

// Collective: if any rank has a message, all stop with that of the lowest such rank.
void PairLampion::stop_if_any(const char *message)
{
  const int mine = *message ? comm->me : INT_MAX;
  int first;
  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, world);
  if (first == INT_MAX) return;
  int length = static_cast<int>(strlen(message));
  MPI_Bcast(&length, 1, MPI_INT, first, world);
  std::string text(length, ' ');
  if (comm->me == first) text = message;
  MPI_Bcast(text.data(), length, MPI_CHAR, first, world);
  error->all(FLERR, text);
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
  utils::logmesg(lmp, "Lampion model {} (fingerprint {}): types {}, cutoff {:.8g} in units {}, n_layers {}, {}, "
                 "{} thread(s) per MPI rank\n", path, lampion::fingerprint(path), types, cutoff, update->unit_style,
                 m.n_layers, m.dtype, comm->nthreads);
}

/* ----------------------------------------------------------------------
   set-up of a run
------------------------------------------------------------------------- */

void PairLampion::init_style()
{
  if (!force->newton_pair)
    error->all(FLERR, "pair_style lampion sends the forces on ghost atoms to their owners; write: newton on");
  const bool bonded_pairs_lost = (force->special_lj[1] == 0.0 && force->special_coul[1] == 0.0) ||
      (force->special_lj[2] == 0.0 && force->special_coul[2] == 0.0) ||
      (force->special_lj[3] == 0.0 && force->special_coul[3] == 0.0);
  if (atom->molecular != Atom::ATOMIC && atom->nbonds > 0 && bonded_pairs_lost)
    error->all(FLERR, "pair_style lampion must see bonded neighbors, which special_bonds leaves out of the neighbor "
               "list; write: special_bonds lj/coul 1.0 1.0 1.0");

  const int n_layers = impl->manifest.n_layers;
  const bool passes_messages = comm->nprocs > 1 && n_layers > 1;
  mode = comm->nprocs == 1 ? FOLDED : EXCHANGED;
  if (passes_messages && !impl->model->layered()) mode = EXTENDED;
  ghostneigh = mode == EXTENDED;

  if (mode == EXTENDED) {
    if (comm->mode != Comm::SINGLE)
      error->all(FLERR, "pair_style lampion with this model on several MPI ranks needs: comm_modify mode single");
    const double shell = n_layers * cutoff + neighbor->skin;
    comm->cutghostuser = std::max(comm->cutghostuser, shell);
    if (comm->me == 0)
      utils::logmesg(lmp, "Lampion: this model can only be evaluated as a whole, so each MPI rank also computes the "
                     "ghost atoms within {} cutoffs ({:.6g}); a model with embed and layer avoids this cost\n",
                     n_layers, shell);
  }
  comm_forward = comm_reverse = std::max(1, mode == EXCHANGED ? impl->model->state_width() : 1);
  // hybrid copies these sizes before pair_coeff has told how wide a state is
  force->pair->comm_forward = std::max(force->pair->comm_forward, comm_forward);
  force->pair->comm_reverse = std::max(force->pair->comm_reverse, comm_reverse);

  neighbor->add_request(this, NeighConst::REQ_FULL | (mode == EXTENDED ? NeighConst::REQ_GHOST : 0));
}

double PairLampion::init_one(int i, int j)
{
  cutghost[i][j] = cutghost[j][i] = cutoff;
  return cutoff;
}

/* ----------------------------------------------------------------------
   one step
------------------------------------------------------------------------- */

static bool all_finite(const double *values, int64_t n)
{
  return std::all_of(values, values + n, [](double value) { return std::isfinite(value); });
}

void PairLampion::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  evaluate(*impl, map);
  add_energies(impl->result.node_energies);
  add_forces(*impl, atom->f);
  if (vflag_either) add_virial(impl->result.gradient);
}

// Collective. What the model returned stays in `potential` until its next evaluation.
void PairLampion::evaluate(lampion::Potential &potential, const int *types)
{
  build_graph(potential, types);
  const bool by_layers = mode == EXCHANGED && potential.model->layered();
  const auto graph = potential.graph->view();
  std::string trouble;
  try {
    potential.result = by_layers ? potential.model->evaluate_by_layers(graph, impl->exchange)
                                 : potential.model->evaluate(graph);
    if (!all_finite(potential.result.node_energies, graph.n_centers))
      trouble = fmt::format("The model returned an energy that is no number at step {}; look at the last frames for "
                            "atoms that came too close, and at the time step", update->ntimestep);
  } catch (const std::exception &e) {
    if (by_layers) error->one(FLERR, e.what());    // the other ranks wait inside the exchange
    trouble = e.what();
  }
  // a rank that aborts alone may take the others' output, and so the reason, with it
  stop_if_any(trouble.c_str());
  potential.step = update->ntimestep;
  potential.evaluations++;
}

void PairLampion::build_graph(lampion::Potential &potential, const int *types)
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
  graph.fill_edges(*list, atoms, potential.cutoff, 1.0 / potential.units.length);
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
  const double *const gradient = potential.result.gradient;
  const double scale = potential.units.energy / potential.units.length;
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
   communication between owned atoms and ghosts: rows of impl->exchange
------------------------------------------------------------------------- */

int PairLampion::pack_forward_comm(int n, int *atoms, double *buf, int /*pbc_flag*/, int * /*pbc*/)
{
  for (int k = 0; k < n; k++) impl->exchange.read_row(atoms[k], buf + k * impl->exchange.width);
  return n * impl->exchange.width;
}

void PairLampion::unpack_forward_comm(int n, int first, double *buf)
{
  const auto &exchange = impl->exchange;
  for (int k = 0; k < n; k++)
    if (double *row = exchange.row(first + k)) std::copy_n(buf + k * exchange.width, exchange.width, row);
}

int PairLampion::pack_reverse_comm(int n, int first, double *buf)
{
  for (int k = 0; k < n; k++) impl->exchange.read_row(first + k, buf + k * impl->exchange.width);
  return n * impl->exchange.width;
}

void PairLampion::unpack_reverse_comm(int n, int *atoms, double *buf)
{
  const auto &exchange = impl->exchange;
  for (int k = 0; k < n; k++) {
    double *row = exchange.row(atoms[k]);
    if (!row) continue;
    for (int c = 0; c < exchange.width; c++) row[c] += buf[k * exchange.width + c];
  }
}

/* ----------------------------------------------------------------------
   further models of a committee
------------------------------------------------------------------------- */

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

// Collective. All forces of a potential's last evaluation, complete on the owned atoms of `f`, (nlocal + nghost, 3).
void PairLampion::forces(const lampion::Potential &potential, double **f)
{
  std::fill_n(f[0], 3 * (atom->nlocal + atom->nghost), 0.0);
  add_forces(potential, f);
  if (mode == FOLDED) return;
  impl->exchange.row_of_atom = nullptr;
  impl->exchange.reverse(f[0], 3);
}

double PairLampion::memory_usage()
{
  return Pair::memory_usage() + impl->graph->bytes() + sizeof(double) * impl->owner.capacity();
}
