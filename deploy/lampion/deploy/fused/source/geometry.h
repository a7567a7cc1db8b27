// What a layer needs of its edges before any channel is touched: directions, harmonics, place in the radial tables.

#ifndef LAMPION_FUSED_GEOMETRY_H
#define LAMPION_FUSED_GEOMETRY_H

#include "fused_interface.h"
#include "harmonics.h"
#include "simd.h"

#include <cmath>
#include <vector>

namespace lampion::fused {

/// The coordinate t = 1 / (1 + (r / contact)^2) of the tables, from the cutoff to (almost) r = 0.
struct Knots {
  float contact, cutoff, first, spacing;
  int n;
};

/// Consecutive edges of some centers, computed several at a time: arrays of (n_edges,), or (rows, stride) with an edge a column.
template <int L> class Geometry {
  static constexpr int V = WIDEST;
  using Lane = Vec<V>;

 public:
  static constexpr int COMPONENTS = (L + 1) * (L + 1);
  /// Quintic Hermite interpolation: weights of value, slope and curvature at the knots on both sides, and d/dr of them.
  static constexpr int WEIGHTS = 6;

  void fill(const LampionGraph &graph, int64_t first, int64_t n, const Knots &knots)
  {
    stride = (n + V - 1) / V * V;
    resize();
    // what fills up the last lanes is one vector of the length of the cutoff
    for (int64_t e = 0; e < stride; e++) {
      const float filler[3] = {knots.cutoff, 0.0f, 0.0f};
      const float *const vector = e < n ? graph.vectors + 3 * (first + e) : filler;
      x[e] = vector[0];
      y[e] = vector[1];
      z[e] = vector[2];
    }
    for (int64_t e = 0; e < stride; e += V) {
      normalize(e);
      interpolate(e, knots);
      expand(e);
    }
  }

  int64_t stride = 0;
  std::vector<float> distance, x, y, z;
  std::vector<int> knot;
  std::vector<float> weights, slopes;                      ///< (WEIGHTS, stride)
  std::vector<float> values, along_x, along_y, along_z;    ///< (COMPONENTS, stride)

 private:
  void resize()
  {
    for (auto *array : {&distance, &x, &y, &z}) array->resize(stride);
    knot.resize(stride);
    for (auto *array : {&weights, &slopes}) array->resize(stride * WEIGHTS);
    for (auto *array : {&values, &along_x, &along_y, &along_z}) array->resize(stride * COMPONENTS);
  }

  void normalize(int64_t e)
  {
    const Lane vx = load<V>(&x[e]), vy = load<V>(&y[e]), vz = load<V>(&z[e]), square = vx * vx + vy * vy + vz * vz;
    for (int k = 0; k < V; k++) distance[e + k] = std::sqrt(square[k]);
    const Lane length = load<V>(&distance[e]);
    store<V>(&x[e], vx / length);
    store<V>(&y[e], vy / length);
    store<V>(&z[e], vz / length);
  }

  // Outside the table, where no pair of atoms should be, its end is continued as a constant.
  void interpolate(int64_t e, const Knots &knots)
  {
    const Lane r = load<V>(&distance[e]), ratio = r / knots.contact, t = 1.0f / (1.0f + ratio * ratio);
    const Lane place = (t - knots.first) / knots.spacing, last = Lane{} + static_cast<float>(knots.n - 1);
    const Lane inside = place < 0.0f ? Lane{} : place > last ? last : place;
    auto left = __builtin_convertvector(inside, typename Lanes<V>::Mask);
    left = left > knots.n - 2 ? left - left + (knots.n - 2) : left;
    left = left < 0 ? left - left : left;    // what is no number becomes the smallest integer
    std::memcpy(&knot[e], &left, sizeof left);
    const Lane rate = inside == place ? -2.0f / (knots.contact * knots.spacing) * ratio * t * t : Lane{};
    Lane weight[WEIGHTS], slope[WEIGHTS];
    hermite(inside - __builtin_convertvector(left, Lane), rate, weight, slope);
    envelop(r / knots.cutoff, knots.cutoff, weight, slope);
    for (int w = 0; w < WEIGHTS; w++) {
      store<V>(&weights[w * stride + e], weight[w]);
      store<V>(&slopes[w * stride + e], slope[w]);
    }
  }

  static void hermite(Lane s, Lane rate, Lane (&weight)[WEIGHTS], Lane (&slope)[WEIGHTS])
  {
    const Lane s2 = s * s, s3 = s2 * s;
    const Lane rise = s3 * (10.0f - 15.0f * s + 6.0f * s2), steep = 30.0f * s2 * (1.0f - 2.0f * s + s2);
    weight[0] = 1.0f - rise;
    weight[1] = s + s3 * (-6.0f + 8.0f * s - 3.0f * s2);
    weight[2] = 0.5f * s2 * (1.0f - 3.0f * s + 3.0f * s2 - s3);
    weight[3] = rise;
    weight[4] = s3 * (-4.0f + 7.0f * s - 3.0f * s2);
    weight[5] = 0.5f * s3 * (1.0f - 2.0f * s + s2);
    slope[0] = -rate * steep;
    slope[1] = rate * (1.0f + s2 * (-18.0f + 32.0f * s - 15.0f * s2));
    slope[2] = rate * 0.5f * s * (2.0f - 9.0f * s + 12.0f * s2 - 5.0f * s3);
    slope[3] = rate * steep;
    slope[4] = rate * s2 * (-12.0f + 28.0f * s - 15.0f * s2);
    slope[5] = rate * 0.5f * s2 * (3.0f - 8.0f * s + 5.0f * s2);
  }

  // Times the envelope of lampion/training/models/radial.py.
  static void envelop(Lane ratio, float cutoff, Lane (&weight)[WEIGHTS], Lane (&slope)[WEIGHTS])
  {
    const Lane x = ratio < 1.0f ? ratio : Lane{} + 1.0f, x2 = x * x, x5 = x2 * x2 * x;
    const Lane value = 1.0f + x5 * x * (-28.0f + x * (48.0f - 21.0f * x));
    const Lane derivative = -168.0f / cutoff * x5 * (1.0f - x) * (1.0f - x);
    for (int w = 0; w < WEIGHTS; w++) {
      slope[w] = value * slope[w] + derivative * weight[w];
      weight[w] *= value;
    }
  }

  void expand(int64_t e)
  {
    harmonics<L>(load<V>(&x[e]), load<V>(&y[e]), load<V>(&z[e]), [&](int a, Lane value, Lane dx, Lane dy, Lane dz) {
      store<V>(&values[a * stride + e], value);
      store<V>(&along_x[a * stride + e], dx);
      store<V>(&along_y[a * stride + e], dy);
      store<V>(&along_z[a * stride + e], dz);
    });
  }
};
}    // namespace lampion::fused

#endif
