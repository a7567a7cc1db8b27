// The edge operation, radial function x harmonic x sender state summed into the receiver, and its derivative.
//
// Radial functions come from tables, one per ordered pair of types: (n_knots, 3, FUNCTIONS) with value, slope and curvature in
// units of the spacing. The first layer reads no states: the embedding of the sender's type is in its tables.

#ifndef LAMPION_FUSED_EDGES_H
#define LAMPION_FUSED_EDGES_H

#include "geometry.h"
#include "simd.h"

#include <vector>

namespace lampion::fused {

/// The edges of one center, and where the sums over them belong: row `a` of `sums` starts at a * stride.
struct Star {
  int64_t first;          ///< in the arrays of the geometry
  int64_t first_edge;     ///< in the graph
  int64_t n;
  float *sums;
  int64_t stride;
};

template <class S> class Edges {
  static constexpr int C = S::CHANNELS, V = lanes(C), L = S::L, LS = S::L_SENDER;
  static constexpr int DEGREES = L + 1, SENT_DEGREES = LS + 1, SENT = SENT_DEGREES * SENT_DEGREES;
  static constexpr int FUNCTIONS = DEGREES * SENT_DEGREES * C, COMPONENTS = DEGREES * DEGREES;
  using Lane = Vec<V>;
  using Geo = Geometry<L>;

 public:
  /// A[a, b] = sum over edges of R_{l(a) l(b)} Y_a h[b], rows ordered a * SENT + b. Keeps what `differentiate` needs, if
  /// that is to follow for the same geometry.
  template <bool KEEP>
  void sum(const LampionGraph &graph, const Geo &geometry, int64_t type, const Star &star, const float *states)
  {
    messages_.resize(star.n * DEGREES * SENT * V);
    if constexpr (KEEP) functions_.resize(geometry.stride * 2 * FUNCTIONS);
    for (int c = 0; c < C; c += V) {
      for (int64_t k = 0; k < star.n; k++) message<KEEP>(graph, geometry, type, star, k, states, c);
      total<0>(geometry, star, c);
      if constexpr (L >= 1) total<1>(geometry, star, c);
      if constexpr (L >= 2) total<2>(geometry, star, c);
      if constexpr (L >= 3) total<3>(geometry, star, c);
    }
  }

  /// Given dE/dA in `star.sums`: adds to the gradient of the edges and to what senders' states are owed.
  void differentiate(const LampionGraph &graph, const Geo &geometry, const Star &star, const float *states, float *owed,
                     double *gradient)
  {
    for (int64_t k = 0; k < star.n; k++) {
      const int64_t e = star.first + k, edge = star.first_edge + k;
      const int64_t row = graph.senders[edge] * SENT * C;
      Lane radial{}, along[3]{};
      for (int c = 0; c < C; c += V)
        edge_derivative(geometry, e, star, states + row + c, owed + row + c, c, radial, along);
      add_gradient(geometry, e, radial, along, gradient + 3 * edge);
    }
  }

 private:
  static const float *table(const LampionGraph &graph, const Geo &geometry, int64_t type, const Star &star, int64_t k)
  {
    const int64_t pair = type * S::TYPES + graph.types[graph.senders[star.first_edge + k]];
    return S::table + (pair * S::KNOTS + geometry.knot[star.first + k]) * 3 * FUNCTIONS;
  }

  static Lane interpolated(const float *rows, const float *weights, int64_t stride)
  {
    Lane value = weights[0] * load<V>(rows);
#pragma GCC unroll 5
    for (int w = 1; w < Geo::WEIGHTS; w++) value += weights[w * stride] * load<V>(rows + w * FUNCTIONS);
    return value;
  }

  // R h of one edge: (DEGREES, SENT, V) from channel c on
  template <bool KEEP>
  void message(const LampionGraph &graph, const Geo &geometry, int64_t type, const Star &star, int64_t k,
               const float *states, int c)
  {
    const float *const rows = table(graph, geometry, type, star, k) + c;
    const int64_t e = star.first + k;
    const float *const state = states + graph.senders[star.first_edge + k] * SENT * C + c;
    float *to = &messages_[k * DEGREES * SENT * V];
#pragma GCC unroll 4
    for (int l1 = 0; l1 < DEGREES; l1++)
#pragma GCC unroll 4
      for (int l2 = 0; l2 < SENT_DEGREES; l2++) {
        const int f = (l1 * SENT_DEGREES + l2) * C;
        const Lane radial = interpolated(rows + f, &geometry.weights[e], geometry.stride);
        if constexpr (KEEP) {
          store<V>(&functions_[e * 2 * FUNCTIONS + f + c], radial);
          store<V>(&functions_[(e * 2 + 1) * FUNCTIONS + f + c],
                   interpolated(rows + f, &geometry.slopes[e], geometry.stride));
        }
        if constexpr (S::FIRST) store<V>(to + l1 * V, radial);
        else
#pragma GCC unroll 7
          for (int b = l2 * l2; b < (l2 + 1) * (l2 + 1); b++)
            store<V>(to + (l1 * SENT + b) * V, radial * load<V>(state + b * C));
      }
  }

  template <int L1> void total(const Geo &geometry, const Star &star, int c) const
  {
    constexpr int FIRST_A = L1 * L1, N = 2 * L1 + 1;
    for (int b = 0; b < SENT; b++) {
      Lane sums[N]{};
      const float *message = &messages_[(L1 * SENT + b) * V];
      const float *const values = &geometry.values[FIRST_A * geometry.stride + star.first];
      for (int64_t k = 0; k < star.n; k++, message += DEGREES * SENT * V) {
        const Lane sent = load<V>(message);
#pragma GCC unroll 7
        for (int m = 0; m < N; m++) sums[m] += values[m * geometry.stride + k] * sent;
      }
      for (int m = 0; m < N; m++) store<V>(star.sums + ((FIRST_A + m) * SENT + b) * star.stride + c, sums[m]);
    }
  }

  // of channels c .. c+V-1: dE/dr to `radial`, sum_a dE/dY_a dY_a/d(x, y, z) to `along`
  void edge_derivative(const Geo &geometry, int64_t e, const Star &star, const float *state, float *owed, int c,
                       Lane &radial, Lane (&along)[3]) const
  {
    const int64_t stride = geometry.stride;
    const float *const values = &geometry.values[e];
    const float *const functions = &functions_[e * 2 * FUNCTIONS + c], *const slopes = functions + FUNCTIONS;
    Lane owed_here[SENT]{};
#pragma GCC unroll 4
    for (int l1 = 0; l1 < DEGREES; l1++) {
      Lane of_harmonic[2 * L + 1]{};
#pragma GCC unroll 4
      for (int l2 = 0; l2 < SENT_DEGREES; l2++) {
        const int f = (l1 * SENT_DEGREES + l2) * C;
        const Lane value = load<V>(functions + f);
        Lane of_function{};
#pragma GCC unroll 7
        for (int b = l2 * l2; b < (l2 + 1) * (l2 + 1); b++) {
          Lane turned{};    // sum over m1 of Y_a dE/dA[a, b]
          const Lane sent = S::FIRST ? value : value * load<V>(state + b * C);
#pragma GCC unroll 7
          for (int m = 0; m < 2 * l1 + 1; m++) {
            const int a = l1 * l1 + m;
            const Lane wanted = load<V>(star.sums + (a * SENT + b) * star.stride + c);
            turned += values[a * stride] * wanted;
            of_harmonic[m] += sent * wanted;
          }
          if constexpr (S::FIRST) of_function += turned;
          else {
            of_function += turned * load<V>(state + b * C);
            owed_here[b] += turned * value;
          }
        }
        radial += of_function * load<V>(slopes + f);
      }
#pragma GCC unroll 7
      for (int m = 0; m < 2 * l1 + 1; m++) {
        const int64_t a = (l1 * l1 + m) * stride + e;
        along[0] += geometry.along_x[a] * of_harmonic[m];
        along[1] += geometry.along_y[a] * of_harmonic[m];
        along[2] += geometry.along_z[a] * of_harmonic[m];
      }
    }
    if constexpr (!S::FIRST)
      for (int b = 0; b < SENT; b++) add<V>(owed + b * C, owed_here[b]);
  }

  // from derivatives of the direction u = r / |r|: d/dr = u d/d|r| + (1 - u u) / |r| d/du
  static void add_gradient(const Geo &geometry, int64_t e, Lane radial, const Lane (&along)[3], double *gradient)
  {
    const float u[3] = {geometry.x[e], geometry.y[e], geometry.z[e]};
    const float g[3] = {lampion::fused::sum<V>(along[0]), lampion::fused::sum<V>(along[1]), lampion::fused::sum<V>(along[2])};
    const float outward = u[0] * g[0] + u[1] * g[1] + u[2] * g[2], slope = lampion::fused::sum<V>(radial);
    for (int a = 0; a < 3; a++) gradient[a] += u[a] * slope + (g[a] - u[a] * outward) / geometry.distance[e];
  }

  std::vector<float> messages_;
  std::vector<float> functions_;    ///< (n_edges, 2, FUNCTIONS) radial functions and their slopes
};
}    // namespace lampion::fused

#endif
