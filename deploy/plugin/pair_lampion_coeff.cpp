// SPDX-License-Identifier: GPL-2.0-or-later

// The input script: `pair_style lampion` with its options, `pair_coeff` with the model file and a name per type.

#include "pair_lampion_impl.h"

#include "fingerprint.h"
#include "model_library.h"
#include "stop_together.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "update.h"

#include <algorithm>
#include <cstring>
#include <exception>

using namespace LAMMPS_NS;

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
