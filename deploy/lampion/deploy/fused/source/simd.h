// Short vectors of numbers, and the product of matrices that all mixing of channels is made of.

#ifndef LAMPION_FUSED_SIMD_H
#define LAMPION_FUSED_SIMD_H

#include <cstring>

namespace lampion::fused {

#ifdef __AVX512F__
constexpr int WIDEST = 16;
#else
constexpr int WIDEST = 8;
#endif

/// Lanes of the vectors that `n` channels are cut into.
constexpr int lanes(int n)
{
  return n % WIDEST == 0 ? WIDEST : n % 8 == 0 ? 8 : 4;
}

template <int V> struct Lanes {
  typedef float Type __attribute__((vector_size(4 * V)));
  typedef int Mask __attribute__((vector_size(4 * V)));
};
template <int V> using Vec = typename Lanes<V>::Type;

template <int V> inline Vec<V> load(const float *from)
{
  Vec<V> value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <int V> inline void store(float *to, Vec<V> value)
{
  std::memcpy(to, &value, sizeof value);
}

template <int V> inline void add(float *to, Vec<V> value)
{
  store<V>(to, load<V>(to) + value);
}

template <int V> inline float sum(Vec<V> value)
{
  if constexpr (V == 4) return (value[0] + value[2]) + (value[1] + value[3]);
  else {
    Vec<V / 2> half[2];
    std::memcpy(half, &value, sizeof value);
    return sum<V / 2>(half[0] + half[1]);
  }
}

/// exp(x) to the last bit but one: 2^n exp(r) with r between -ln(2)/2 and ln(2)/2, and a polynomial of degree 6 for exp(r).
template <int V> inline Vec<V> exponential(Vec<V> x)
{
  using Mask = typename Lanes<V>::Mask;
  x = x < -87.0f ? Vec<V>{} - 87.0f : x > 87.0f ? Vec<V>{} + 87.0f : x;
  const Vec<V> shifted = x * 1.44269504f + 12582912.0f;    // rounds to a whole number: 1.5 * 2^23
  const Vec<V> n = shifted - 12582912.0f;
  const Vec<V> r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Vec<V> p = r * 1.9875692e-4f + 1.3981999e-3f;    // S. Moshier's expf of the Cephes library
  p = p * r + 8.3334519e-3f;
  p = p * r + 4.1665796e-2f;
  p = p * r + 0.16666665f;
  p = p * r + 0.5f;
  p = p * r * r + r + 1.0f;
  const Mask exponent = __builtin_convertvector(n, Mask) + 127;
  return p * (Vec<V>)(exponent << 23);
}

/// The largest divisor of `n` up to `most`.
constexpr int divisor(int n, int most)
{
  while (n % most) most--;
  return most;
}

/// out (R, N) += in (R, K) weight (K, N), with a block of `out` in registers.
template <int K, int N, int R> inline void multiply_rows(const float *in, const float *weight, float *out)
{
  constexpr int V = lanes(N), COLUMNS = divisor(N / V, 4);
  for (int first = 0; first < N; first += COLUMNS * V) {
    Vec<V> total[R][COLUMNS];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
      for (int c = 0; c < COLUMNS; c++) total[r][c] = load<V>(out + r * N + first + c * V);
    for (int k = 0; k < K; k++) {
      Vec<V> row[COLUMNS];
#pragma GCC unroll 4
      for (int c = 0; c < COLUMNS; c++) row[c] = load<V>(weight + k * N + first + c * V);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int c = 0; c < COLUMNS; c++) total[r][c] += in[r * K + k] * row[c];
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
      for (int c = 0; c < COLUMNS; c++) store<V>(out + r * N + first + c * V, total[r][c]);
  }
}

/// out (rows, N) += in (rows, K) weight (K, N); `rows` is a multiple of R.
template <int K, int N, int R> inline void multiply(int rows, const float *in, const float *weight, float *out)
{
  for (int r = 0; r < rows; r += R) multiply_rows<K, N, R>(in + r * K, weight, out + r * N);
}
}    // namespace lampion::fused

#endif
