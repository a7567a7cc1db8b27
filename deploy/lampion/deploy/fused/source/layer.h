// One round of message passing for blocks of centers: lampion/training/models/potential.py, forward and back.
//
// S holds sizes and weights of the layer (written by lampion/deploy/fused/constants.py).

#ifndef LAMPION_FUSED_LAYER_H
#define LAMPION_FUSED_LAYER_H

#include "edges.h"
#include "nodes.h"
#include "readout.h"
#include "repulsion.h"

#include <algorithm>
#include <memory>

namespace lampion::fused {

template <class S> class Layer {
  static constexpr int C = S::CHANNELS, L = S::L, LO = S::L_OUT, LS = S::L_SENDER, COMMON_DEGREE = LS < LO ? LS : LO;
  static constexpr int IN = components(L), SENT = components(LS), OUT = components(LO), COMMON = components(COMMON_DEGREE);
  static constexpr int ORDERS = S::ORDERS;
  using B = Block<C>;
  static constexpr int CENTERS = B::CENTERS, N = B::N;

 public:
  static constexpr int STATE = OUT * C;

  void forward(const LampionGraph &graph, int64_t begin, int64_t end, const float *states, float *made, double *energies)
  {
    for (int64_t i = begin; i < end; i += CENTERS) {
      start(graph, i, end);
      features<false>(states);
      update<LO>(states);
      for (int b = 0; b < n_; b++)
        for (int a = 0; a < OUT; a++) std::copy_n(updated_ + a * N + b * C, C, made + (i + b) * STATE + a * C);
      add_energies(energies);
    }
  }

  void backward(const LampionGraph &graph, int64_t begin, int64_t end, const float *states, const double *weights,
                const float *owed, float *owed_below, double *gradient, double *energies)
  {
    for (int64_t i = begin; i < end; i += CENTERS) {
      start(graph, i, end);
      features<true>(states);
      update<0>(states);    // the energy is read from scalars only
      if constexpr (S::LAST) add_energies(energies);
      else readout_.read(updated_);
      gather_owed(owed);
      add_readout_derivative(weights);
      differentiate_update(owed_below);
      differentiate_features();
      differentiate_edges(states, weights, owed_below, gradient);
    }
  }

 private:
  // Centers first_ .. first_+n_-1 with their edges. The block is filled up with its last center, whose results are dropped.
  void start(const LampionGraph &graph, int64_t first, int64_t end)
  {
    graph_ = &graph;
    first_ = first;
    n_ = static_cast<int>(std::min<int64_t>(CENTERS, end - first));
    const int64_t first_edge = graph.first_edge[first];
    geometry_.fill(graph, first_edge, graph.first_edge[first + n_] - first_edge, S::KNOT);
    for (int b = 0; b < CENTERS; b++) {
      types_[b] = graph.types[first + std::min(b, n_ - 1)];
      for (int order = 0; order < ORDERS; order++)
        std::copy_n(S::order_scale + (types_[b] * ORDERS + order) * C, C, scale_[order] + b * C);
    }
  }

  Star star(int b, float *sums) const
  {
    const int64_t edge = graph_->first_edge[first_ + b];
    return {edge - graph_->first_edge[first_], edge, graph_->first_edge[first_ + b + 1] - edge, sums + b * C, N};
  }

  // Edge sums, coupled to degrees and mixed: `features_`.
  template <bool KEEP> void features(const float *states)
  {
    for (int b = n_; b < CENTERS; b++)
      for (int a = 0; a < IN * SENT; a++) std::fill_n(sums_ + a * N + b * C, C, 0.0f);
    for (int b = 0; b < n_; b++) edges_.template sum<KEEP>(*graph_, geometry_, types_[b], star(b, sums_), states);
    B::apply(S::coupling, sums_, coupled_);
    B::clear(IN, features_);
    for_each_path([&](int path, int degree, int row) {
      B::template mix<C, C>((2 * degree + 1) * CENTERS, coupled_ + row * N, S::mixing + path * C * C,
                            features_ + degree * degree * N);
    });
  }

  template <typename Action> static void for_each_path(Action &&action)
  {
    int row = 0;
    for (int path = 0; path < S::PATHS; path++) {
      action(path, S::PATH_DEGREES[path], row);
      row += 2 * S::PATH_DEGREES[path] + 1;
    }
  }

  // New states up to degree D.
  template <int D> void update(const float *states)
  {
    constexpr int ROWS = components(D);
    B::clear(ROWS, mixed_);
    B::template mix_degrees<D>(features_, S::update, mixed_);
    B::scale(ROWS, mixed_, scale_[0], updated_);
    if constexpr (ORDERS > 1) {
      float *const projections[2] = {projected_[0], projected_[1]};
      Powers<S>::template raise<ROWS>(features_, values_, projections);
      for (int power = 0; power < ORDERS - 1; power++) {
        B::clear(ROWS, mixed_);
        B::template mix_degrees<D>(projected_[power], S::results + power * (LO + 1) * C * C, mixed_);
        B::add_scaled(ROWS, mixed_, scale_[power + 1], updated_);
      }
    }
    add_residual<(D < COMMON_DEGREE ? D : COMMON_DEGREE)>(states);
  }

  template <int D> void add_residual(const float *states)
  {
    if constexpr (S::FIRST) {    // the embedding of a type, mixed
      for (int b = 0; b < CENTERS; b++)
        for (int c = 0; c < C; c++) updated_[b * C + c] += S::residual[types_[b] * C + c];
    } else {
      for (int b = 0; b < CENTERS; b++)
        for (int a = 0; a < components(D); a++)
          std::copy_n(states + (first_ + std::min(b, n_ - 1)) * SENT * C + a * C, C, mixed_ + a * N + b * C);
      B::template mix_degrees<D>(mixed_, S::residual, updated_);
    }
  }

  void add_energies(double *energies)
  {
    readout_.read(updated_);
    for (int b = 0; b < n_; b++) {
      energies[first_ + b] += readout_.energy(b);
      if constexpr (S::FIRST) energies[first_ + b] += S::SHIFT[types_[b]] + repulsion_of(b);
    }
  }

  double repulsion_of(int b) const
  {
    double energy = 0.0;
    for_each_short_edge(b, [&](int64_t, int64_t, const EnergyAndSlope &found) { energy += found.energy; });
    return energy;
  }

  template <typename Action> void for_each_short_edge(int b, Action &&action) const
  {
    if constexpr (S::REPELS) {
      const auto edges = star(b, nullptr);
      for (int64_t k = 0; k < edges.n; k++) {
        const auto &pair = S::PAIRS[types_[b] * S::TYPES + graph_->types[graph_->senders[edges.first_edge + k]]];
        const double r = geometry_.distance[edges.first + k];
        if (r < pair.reach) action(edges.first + k, edges.first_edge + k, repulsion(pair, r));
      }
    }
  }

  // `wanted_`: what the new states are owed, (OUT, N).
  void gather_owed(const float *owed)
  {
    B::clear(OUT, wanted_);
    if constexpr (!S::LAST)
      for (int b = 0; b < n_; b++)
        for (int a = 0; a < OUT; a++) std::copy_n(owed + (first_ + b) * STATE + a * C, C, wanted_ + a * N + b * C);
  }

  void add_readout_derivative(const double *weights)
  {
    float of_block[CENTERS] = {};
    for (int b = 0; b < n_; b++) of_block[b] = static_cast<float>(weights[first_ + b]);
    readout_.differentiate(of_block, wanted_);
  }

  // From `wanted_` to what features, in their place, and the states below are owed.
  void differentiate_update(float *owed_below)
  {
    B::clear(IN, owed_features_);
    B::scale(OUT, wanted_, scale_[0], mixed_);
    B::template mix_degrees<LO>(mixed_, S::update_turned, owed_features_);
    if constexpr (ORDERS > 1) {
      for (int power = 0; power < ORDERS - 1; power++) {
        B::scale(OUT, wanted_, scale_[power + 1], mixed_);
        B::clear(OUT, projected_[power]);
        B::template mix_degrees<LO>(mixed_, S::results_turned + power * (LO + 1) * C * C, projected_[power]);
      }
      const float *const wanted[2] = {projected_[0], projected_[1]};
      Powers<S>::differentiate(values_, wanted, owed_features_);
    }
    if constexpr (!S::FIRST) {
      B::clear(COMMON, mixed_);
      B::template mix_degrees<COMMON_DEGREE>(wanted_, S::residual_turned, mixed_);
      for (int b = 0; b < n_; b++)
        for (int a = 0; a < COMMON; a++)
          for (int c = 0; c < C; c++) owed_below[(first_ + b) * SENT * C + a * C + c] += mixed_[a * N + b * C + c];
    }
  }

  // From features to the edge sums, in their place.
  void differentiate_features()
  {
    B::clear(S::coupling.n_rows, coupled_);
    for_each_path([&](int path, int degree, int row) {
      B::template mix<C, C>((2 * degree + 1) * CENTERS, owed_features_ + degree * degree * N,
                            S::mixing_turned + path * C * C, coupled_ + row * N);
    });
    B::apply(S::coupling_turned, coupled_, sums_);
  }

  void differentiate_edges(const float *states, const double *weights, float *owed_below, double *gradient)
  {
    for (int b = 0; b < n_; b++) {
      edges_.differentiate(*graph_, geometry_, star(b, sums_), states, owed_below, gradient);
      if constexpr (S::FIRST)
        for_each_short_edge(b, [&](int64_t e, int64_t edge, const EnergyAndSlope &found) {
          const double u[3] = {geometry_.x[e], geometry_.y[e], geometry_.z[e]};
          for (int a = 0; a < 3; a++) gradient[3 * edge + a] += weights[first_ + b] * found.slope * u[a];
        });
    }
  }

  static constexpr int WIDEST_ROWS = OUT > COMMON ? OUT : COMMON;
  const LampionGraph *graph_ = nullptr;
  int64_t first_ = 0;
  int n_ = 0;
  int64_t types_[CENTERS];
  Geometry<L> geometry_;
  Edges<S> edges_;
  Readout<S> readout_;
  alignas(64) float scale_[ORDERS][N];
  alignas(64) float sums_[IN * SENT * N], coupled_[S::COUPLED * N];
  alignas(64) float features_[IN * N], owed_features_[IN * N];
  alignas(64) float values_[2 * (S::POINTS + 1) * N], projected_[2][OUT * N];
  alignas(64) float updated_[OUT * N], mixed_[WIDEST_ROWS * N], wanted_[OUT * N];
};

/// Every thread has buffers of its own.
template <class S> Layer<S> &layer_of_thread()
{
  thread_local const auto layer = std::make_unique<Layer<S>>();
  return *layer;
}
}    // namespace lampion::fused

#endif
