// Node operations on a block of centers: coupling of degrees, mixing of channels, powers on the sphere, and their derivatives.
//
// All arrays are (components, CENTERS, CHANNELS): what happens to a component is the same for the channels of all centers.

#ifndef LAMPION_FUSED_NODES_H
#define LAMPION_FUSED_NODES_H

#include "simd.h"

#include <cstring>

namespace lampion::fused {

constexpr int components(int l_max)
{
  return (l_max + 1) * (l_max + 1);
}

/// Whether the degree of a component is odd.
constexpr bool ODD[16] = {false, true, true, true, false, false, false, false,
                          false, true, true, true, true,  true,  true,  true};

/// A sparse matrix by rows.
struct Sparse {
  int n_rows;
  const int *first;    ///< (n_rows + 1,)
  const int *column;
  const float *value;
};

/// Centers of a block: enough rows for a tile of the matrix products, few enough for the second cache.
constexpr int centers_of(int channels)
{
  return channels >= 48 ? 4 : 8;
}

template <int C> struct Block {
  static constexpr int CENTERS = centers_of(C), N = CENTERS * C, V = lanes(N);
  using Lane = Vec<V>;

  /// out (rows, n_out) += in (rows, n_in) weight (n_in, n_out)
  template <int N_IN, int N_OUT> static void mix(int rows, const float *in, const float *weight, float *out)
  {
    constexpr int TILE = divisor(N_OUT / lanes(N_OUT), 4) >= 3 ? 4 : 8;
    multiply<N_IN, N_OUT, (TILE < CENTERS ? TILE : CENTERS)>(rows, in, weight, out);
  }

  /// One matrix per degree: `in` and `out` of degrees up to L.
  template <int L> static void mix_degrees(const float *in, const float *weights, float *out)
  {
    for (int l = 0; l <= L; l++)
      mix<C, C>((2 * l + 1) * CENTERS, in + l * l * N, weights + l * C * C, out + l * l * N);
  }

  static void clear(int rows, float *out) { std::memset(out, 0, sizeof(float) * rows * N); }

  /// out = matrix in
  static void apply(const Sparse &matrix, const float *in, float *out)
  {
    for (int row = 0; row < matrix.n_rows; row++)
      for (int n = 0; n < N; n += V) {
        Lane total{};
        for (int k = matrix.first[row]; k < matrix.first[row + 1]; k++)
          total += matrix.value[k] * load<V>(in + matrix.column[k] * N + n);
        store<V>(out + row * N + n, total);
      }
  }

  /// out (rows) += in (rows) * factor, which is the same for all rows
  static void add_scaled(int rows, const float *in, const float *factor, float *out)
  {
    for (int row = 0; row < rows; row++)
      for (int n = 0; n < N; n += V)
        add<V>(out + row * N + n, load<V>(in + row * N + n) * load<V>(factor + n));
  }

  static void scale(int rows, const float *in, const float *factor, float *out)
  {
    clear(rows, out);
    add_scaled(rows, in, factor, out);
  }
};

/// Powers 2 .. ORDERS of functions on the sphere at points that come in opposite pairs: there a function is even + odd and
/// even - odd, its components of even and of odd degree. Half of the points are stored.
template <class S> struct Powers {
  using B = Block<S::CHANNELS>;
  static constexpr int N = B::N, V = B::V, IN = components(S::L), OUT = components(S::L_OUT), POINTS = S::POINTS;
  using Lane = typename B::Lane;

  /// Values at the points, (POINTS, 2, N), and the projections of the powers, ORDERS - 1 times (`OF`, N).
  template <int OF> static void raise(const float *features, float *values, float *const *projections)
  {
    for (int n = 0; n < N; n += V) {
      Lane square[OF]{}, cube[OF]{};
      Lane f[IN];
#pragma GCC unroll 16
      for (int k = 0; k < IN; k++) f[k] = load<V>(features + k * N + n);
      for (int p = 0; p < POINTS; p++) {
        const float *const to = S::to_points + p * IN, *const from = S::from_points + p * OUT;
        Lane even{}, odd{};
#pragma GCC unroll 16
        for (int k = 0; k < IN; k++) (ODD[k] ? odd : even) += to[k] * f[k];
        store<V>(values + 2 * p * N + n, even);
        store<V>(values + (2 * p + 1) * N + n, odd);
        const Lane ee = even * even, oo = odd * odd;
        const Lane even2 = ee + oo, odd2 = 2.0f * even * odd;
        const Lane even3 = even * (ee + 3.0f * oo), odd3 = odd * (3.0f * ee + oo);
#pragma GCC unroll 16
        for (int k = 0; k < OF; k++) {
          square[k] += from[k] * (ODD[k] ? odd2 : even2);
          if constexpr (S::ORDERS > 2) cube[k] += from[k] * (ODD[k] ? odd3 : even3);
        }
      }
#pragma GCC unroll 16
      for (int k = 0; k < OF; k++) {
        store<V>(projections[0] + k * N + n, square[k]);
        if constexpr (S::ORDERS > 2) store<V>(projections[1] + k * N + n, cube[k]);
      }
    }
  }

  /// Given the derivatives of the projections, adds that of the features.
  static void differentiate(const float *values, const float *const *wanted, float *features)
  {
    for (int n = 0; n < N; n += V) {
      Lane total[IN];
#pragma GCC unroll 16
      for (int k = 0; k < IN; k++) total[k] = load<V>(features + k * N + n);
      for (int p = 0; p < POINTS; p++) {
        const float *const to = S::to_points + p * IN, *const from = S::from_points + p * OUT;
        Lane even2{}, odd2{}, even3{}, odd3{};
#pragma GCC unroll 16
        for (int k = 0; k < OUT; k++) {
          (ODD[k] ? odd2 : even2) += from[k] * load<V>(wanted[0] + k * N + n);
          if constexpr (S::ORDERS > 2) (ODD[k] ? odd3 : even3) += from[k] * load<V>(wanted[1] + k * N + n);
        }
        const Lane even = load<V>(values + 2 * p * N + n), odd = load<V>(values + (2 * p + 1) * N + n);
        Lane of_even = 2.0f * (even * even2 + odd * odd2), of_odd = 2.0f * (odd * even2 + even * odd2);
        if constexpr (S::ORDERS > 2) {
          const Lane squares = 3.0f * (even * even + odd * odd), mixed = 6.0f * even * odd;
          of_even += squares * even3 + mixed * odd3;
          of_odd += mixed * even3 + squares * odd3;
        }
#pragma GCC unroll 16
        for (int k = 0; k < IN; k++) total[k] += to[k] * (ODD[k] ? of_odd : of_even);
      }
#pragma GCC unroll 16
      for (int k = 0; k < IN; k++) store<V>(features + k * N + n, total[k]);
    }
  }
};
}    // namespace lampion::fused

#endif
