// Screened repulsion of the nuclei, as in lampion/training/models/repulsion.py, in double precision: it acts on few edges.

#ifndef LAMPION_FUSED_REPULSION_H
#define LAMPION_FUSED_REPULSION_H

#include <cmath>

namespace lampion::fused {

/// Of an ordered pair of types: half of the product of charges times e^2 / (4 pi eps0), 1 / a, and where it ends.
struct ScreenedPair {
  double strength, inverse_length, reach;
};

struct EnergyAndSlope {
  double energy, slope;    ///< of the receiver's half, eV and eV/A
};

inline EnergyAndSlope repulsion(const ScreenedPair &pair, double r)
{
  constexpr double SHARE[4] = {0.18175, 0.50986, 0.28022, 0.02817}, RATE[4] = {3.19980, 0.94229, 0.40290, 0.20162};
  double screening = 0.0, screening_slope = 0.0;
  for (int k = 0; k < 4; k++) {
    const double rate = RATE[k] * pair.inverse_length, part = SHARE[k] * std::exp(-rate * r);
    screening += part;
    screening_slope -= rate * part;
  }
  const double x = r / pair.reach, x5 = x * x * x * x * x;
  const double envelope = 1.0 + x5 * x * (-28.0 + x * (48.0 - 21.0 * x));
  const double envelope_slope = -168.0 * x5 * (1.0 - x) * (1.0 - x) / pair.reach;
  const double bare = pair.strength / r * screening;
  return {bare * envelope, pair.strength / r * (screening_slope - screening / r) * envelope + bare * envelope_slope};
}
}    // namespace lampion::fused

#endif
