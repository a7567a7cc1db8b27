// Real spherical harmonics of unit vectors and their derivatives, as in lampion/training/models/so3.py.

#ifndef LAMPION_FUSED_HARMONICS_H
#define LAMPION_FUSED_HARMONICS_H

namespace lampion::fused {

/// Calls `take(component, Y, dY/dx, dY/dy, dY/dz)` for all degrees up to L; derivatives of the polynomials, along the radius
/// too. T is float, or several of them.
template <int L, typename T, typename Take> inline void harmonics(T x, T y, T z, Take &&take)
{
  const T none{}, one = none + 1.0f;
  take(0, one, none, none, none);
  if constexpr (L >= 1) {
    constexpr float a = 1.7320508075688772f;
    take(1, a * y, none, a * one, none);
    take(2, a * z, none, none, a * one);
    take(3, a * x, a * one, none, none);
  }
  if constexpr (L >= 2) {
    constexpr float a = 2.23606797749979f, b = 3.872983346207417f;    // sqrt(5), sqrt(15)
    take(4, b * x * y, b * y, b * x, none);
    take(5, b * y * z, none, b * z, b * y);
    take(6, 0.5f * a * (3.0f * z * z - 1.0f), none, none, 3.0f * a * z);
    take(7, b * x * z, b * z, none, b * x);
    take(8, 0.5f * b * (x * x - y * y), b * x, -b * y, none);
  }
  if constexpr (L >= 3) {
    constexpr float a = 2.091650066335189f, b = 10.246950765959598f;    // sqrt(35/8), sqrt(105)
    constexpr float c = 1.6201851746019651f, d = 1.3228756555322954f;   // sqrt(21/8), sqrt(7)/2
    const T x2 = x * x, y2 = y * y, z2 = z * z;
    take(9, a * y * (3.0f * x2 - y2), 6.0f * a * x * y, 3.0f * a * (x2 - y2), none);
    take(10, b * x * y * z, b * y * z, b * x * z, b * x * y);
    take(11, c * y * (5.0f * z2 - 1.0f), none, c * (5.0f * z2 - 1.0f), 10.0f * c * y * z);
    take(12, d * z * (5.0f * z2 - 3.0f), none, none, d * (15.0f * z2 - 3.0f));
    take(13, c * x * (5.0f * z2 - 1.0f), c * (5.0f * z2 - 1.0f), none, 10.0f * c * x * z);
    take(14, 0.5f * b * z * (x2 - y2), b * x * z, -b * y * z, 0.5f * b * (x2 - y2));
    take(15, a * x * (x2 - 3.0f * y2), 3.0f * a * (x2 - y2), -6.0f * a * x * y, none);
  }
}
}    // namespace lampion::fused

#endif
