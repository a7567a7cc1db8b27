// What a layer needs of its edges before any channel is touched: directions, harmonics, place in the radial tables.

#ifndef LAMPION_FUSED_GEOMETRY_H
#define LAMPION_FUSED_GEOMETRY_H

#include "harmonics.h"
#include "fused_interface.h"

#include <cmath>
#include <vector>

namespace lampion::fused {

/// The coordinate t = 1 / (1 + (r / contact)^2) of the tables, from the cutoff to (almost) r = 0.
struct Knots {
  float contact, cutoff, first, spacing;
  int n;
};

/// Consecutive edges of some centers; one number per edge in every array.
template <int L> class Geometry {
 public:
  static constexpr int COMPONENTS = (L + 1) * (L + 1);
  /// Quintic Hermite interpolation: weights of value, slope and curvature at the knots on both sides, and d/dr of them.
  static constexpr int WEIGHTS = 6;

  void fill(const LampionGraph &graph, int64_t first, int64_t n, const Knots &knots)
  {
    resize(n);
    const float *const vectors = graph.vectors + 3 * first;
    for (int64_t e = 0; e < n; e++) {
      const float vx = vectors[3 * e], vy = vectors[3 * e + 1], vz = vectors[3 * e + 2];
      const float length = std::sqrt(vx * vx + vy * vy + vz * vz);
      distance[e] = length;
      x[e] = vx / length;
      y[e] = vy / length;
      z[e] = vz / length;
    }
    for (int64_t e = 0; e < n; e++) interpolate(e, knots);
    for (int64_t e = 0; e < n; e++) expand(e);
  }

  std::vector<float> distance, x, y, z;
  std::vector<int> knot;
  std::vector<float> weights, slopes;                    ///< (n, WEIGHTS)
  std::vector<float> values, along_x, along_y, along_z;    ///< (n, COMPONENTS)

 private:
  void resize(int64_t n)
  {
    for (auto *array : {&distance, &x, &y, &z}) array->resize(n);
    knot.resize(n);
    for (auto *array : {&weights, &slopes}) array->resize(n * WEIGHTS);
    for (auto *array : {&values, &along_x, &along_y, &along_z}) array->resize(n * COMPONENTS);
  }

  // outside the table, where no pair of atoms should be, its end is continued as a constant
  void interpolate(int64_t e, const Knots &knots)
  {
    const float ratio = distance[e] / knots.contact, t = 1.0f / (1.0f + ratio * ratio);
    const float place = (t - knots.first) / knots.spacing, last = static_cast<float>(knots.n - 1);
    const float inside = place < 0.0f ? 0.0f : place > last ? last : place;
    knot[e] = inside < last ? static_cast<int>(inside) : knots.n - 2;
    const float rate = inside == place ? -2.0f * ratio / knots.contact * t * t / knots.spacing : 0.0f;
    hermite(inside - static_cast<float>(knot[e]), rate, &weights[e * WEIGHTS], &slopes[e * WEIGHTS]);
    envelop(distance[e] / knots.cutoff, knots.cutoff, &weights[e * WEIGHTS], &slopes[e * WEIGHTS]);
  }

  static void hermite(float s, float rate, float *weight, float *slope)
  {
    const float s2 = s * s, s3 = s2 * s;
    const float rise = s3 * (10.0f - 15.0f * s + 6.0f * s2), steep = 30.0f * s2 * (1.0f - 2.0f * s + s2);
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

  // Times the envelope of lampion/training/radial.py.
  static void envelop(float ratio, float cutoff, float *weight, float *slope)
  {
    const float x = ratio < 1.0f ? ratio : 1.0f, x2 = x * x, x5 = x2 * x2 * x;
    const float value = 1.0f + x5 * x * (-28.0f + x * (48.0f - 21.0f * x));
    const float derivative = -168.0f * x5 * (1.0f - x) * (1.0f - x) / cutoff;
    for (int w = 0; w < WEIGHTS; w++) {
      slope[w] = value * slope[w] + derivative * weight[w];
      weight[w] *= value;
    }
  }

  void expand(int64_t e)
  {
    const int64_t row = e * COMPONENTS;
    harmonics<L>(x[e], y[e], z[e], [&](int a, float value, float dx, float dy, float dz) {
      values[row + a] = value;
      along_x[row + a] = dx;
      along_y[row + a] = dy;
      along_z[row + a] = dz;
    });
  }
};
}    // namespace lampion::fused

#endif
