// Real spherical harmonics of unit vectors and their derivatives, as in lampion/training/so3.py.

#ifndef LAMPION_FUSED_HARMONICS_H
#define LAMPION_FUSED_HARMONICS_H

namespace lampion::fused {

/// Calls `take(component, Y, dY/dx, dY/dy, dY/dz)` for all degrees up to L; derivatives of the polynomials, along the radius too.
template <int L, typename Take> inline void harmonics(float x, float y, float z, Take &&take)
{
  take(0, 1.0f, 0.0f, 0.0f, 0.0f);
  if constexpr (L >= 1) {
    constexpr float a = 1.7320508075688772f;
    take(1, a * y, 0.0f, a, 0.0f);
    take(2, a * z, 0.0f, 0.0f, a);
    take(3, a * x, a, 0.0f, 0.0f);
  }
  if constexpr (L >= 2) {
    constexpr float a = 2.23606797749979f, b = 3.872983346207417f;    // sqrt(5), sqrt(15)
    take(4, b * x * y, b * y, b * x, 0.0f);
    take(5, b * y * z, 0.0f, b * z, b * y);
    take(6, 0.5f * a * (3.0f * z * z - 1.0f), 0.0f, 0.0f, 3.0f * a * z);
    take(7, b * x * z, b * z, 0.0f, b * x);
    take(8, 0.5f * b * (x * x - y * y), b * x, -b * y, 0.0f);
  }
  if constexpr (L >= 3) {
    constexpr float a = 2.091650066335189f, b = 10.246950765959598f;    // sqrt(35/8), sqrt(105)
    constexpr float c = 1.6201851746019651f, d = 1.3228756555322954f;   // sqrt(21/8), sqrt(7)/2
    const float x2 = x * x, y2 = y * y, z2 = z * z;
    take(9, a * y * (3.0f * x2 - y2), 6.0f * a * x * y, 3.0f * a * (x2 - y2), 0.0f);
    take(10, b * x * y * z, b * y * z, b * x * z, b * x * y);
    take(11, c * y * (5.0f * z2 - 1.0f), 0.0f, c * (5.0f * z2 - 1.0f), 10.0f * c * y * z);
    take(12, d * z * (5.0f * z2 - 3.0f), 0.0f, 0.0f, d * (15.0f * z2 - 3.0f));
    take(13, c * x * (5.0f * z2 - 1.0f), c * (5.0f * z2 - 1.0f), 0.0f, 10.0f * c * x * z);
    take(14, 0.5f * b * z * (x2 - y2), b * x * z, -b * y * z, 0.5f * b * (x2 - y2));
    take(15, a * x * (x2 - 3.0f * y2), 3.0f * a * (x2 - y2), -6.0f * a * x * y, 0.0f);
  }
}
}    // namespace lampion::fused

#endif
