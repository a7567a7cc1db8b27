// SPDX-License-Identifier: GPL-2.0-or-later
// The line between the two shared objects: lampionplugin.so (LAMMPS, no torch) calls what
// liblampionmodel.so (torch, no LAMMPS) implements. Lengths and energies are the model's.
// Every function throws std::runtime_error with one sentence for the user.

#ifndef LAMPION_MODEL_H
#define LAMPION_MODEL_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lampion {

/// A neighbour graph; the memory belongs to the caller.
struct GraphView {
  int64_t n_centers;            ///< rows 0 .. n_centers-1 are the atoms whose energy is asked for
  int64_t n_nodes;              ///< centers first, then atoms that only send
  int64_t n_edges;
  const int64_t *types;         ///< (n_nodes,) index into type_names
  const int64_t *edge_index;    ///< (2, n_edges) row 0 = i (receives), in ascending order, row 1 = j
  const void *edge_vectors;     ///< (n_edges, 3) r_j - r_i, in the dtype the model was loaded with
  const double *center_positions;    ///< (n_centers, 3) if `moments` are asked for, else nullptr
};

/// What a model returns; the memory belongs to the model until its next call. Of `gradient` and `node_forces`
/// one is nullptr; with the latter, node_energies are zero.
struct Result {
  const double *node_energies;    ///< (n_centers,)
  const double *gradient;         ///< (n_edges, 3) dE/d(edge_vector), E = sum of node_energies
  const double *moments;          ///< (3, n_edges, 3) dB_a/d(edge_vector), B_a = sum of r_a * node_energies, or nullptr
  const double *node_forces;      ///< (n_centers, 3) of a model that is not conservative, in place of a gradient
};

/// Moves rows between the ranks that hold copies of the same atom, in single or double precision. Collective.
class Exchange {
 public:
  virtual ~Exchange() = default;
  /// (n_nodes, width): owners' rows are written to their ghosts.
  virtual void forward(float *rows, int width) = 0;
  virtual void forward(double *rows, int width) = 0;
  /// (n_nodes, width): ghosts' rows are added to their owners'.
  virtual void reverse(float *rows, int width) = 0;
  virtual void reverse(double *rows, int width) = 0;
};

/// The exchange of a rank without neighbours.
class Alone : public Exchange {
 public:
  void forward(float *, int) override {}
  void forward(double *, int) override {}
  void reverse(float *, int) override {}
  void reverse(double *, int) override {}
};

class Model {
 public:
  virtual ~Model() = default;
  /// True if the model has `embed` and `layer` beside `forward`.
  virtual bool layered() const = 0;
  /// Largest number of reals in the state of a node; 0 if not layered.
  virtual int state_width() const = 0;
  /// Without exchange; with n_nodes > n_centers the surplus energies are not summed. The only one to give moments.
  virtual Result evaluate(const GraphView &) = 0;
  /// `embed`, then `layer` 0 .. n_layers-1 with ghosts' states exchanged before each but the first.
  virtual Result evaluate_by_layers(const GraphView &, Exchange &) = 0;
};

/// What the machine code of a compiled model file was made for.
struct Compiled {
  int interface;                            ///< version of the functions' names and arguments
  std::vector<std::string> processor;       ///< extensions that it may use
  std::string torch;
};

/// How a model is to be used.
struct Setting {
  std::string dtype;     ///< "float32" or "float64": the one of lampion.json, or another to which the module is cast
  std::string device;    ///< "cpu", "cuda" (the ranks of a node take its devices in turn) or "cuda:N"
  int rank_on_node;      ///< which of the devices in turn
  int n_layers, n_types, n_threads;
  bool conservative;     ///< whether the module returns energies; else forces
  std::string own_dtype;               ///< of lampion.json
  double cutoff;                       ///< of lampion.json
  std::optional<Compiled> compiled;    ///< of a compiled model file
};

class ModelLibrary {
 public:
  virtual ~ModelLibrary() = default;
  /// Text of `lampion.json` inside the file; nothing of the file is executed.
  virtual std::string read_manifest(const std::string &path) = 0;
  /// One atom of each type without neighbours is computed as a check.
  virtual std::unique_ptr<Model> load(const std::string &path, const Setting &) = 0;
};
}    // namespace lampion

/// The one symbol of liblampionmodel.so. Throws if the torch beside it is not the one it was made for.
extern "C" lampion::ModelLibrary *lampion_model_library();

#endif
