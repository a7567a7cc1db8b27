// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_REPLICA_STATE_H
#define LAMPION_REPLICA_STATE_H

#include <stdexcept>
#include <vector>

namespace lampion {

/// What a restart file keeps of a fix, as plain numbers (integers below 2^53 are exact).
using Packed = std::vector<double>;

/// Reads them back in the order in which they were written.
class Unpacker {
 public:
  Unpacker(const double *values, size_t n) : next_(values), end_(values + n) {}
  double next()
  {
    if (next_ == end_) throw std::runtime_error("the restart file holds too little for fix lampion/replicas");
    return *next_++;
  }
  void fill(std::vector<double> &values)
  {
    for (auto &value : values) value = next();
  }

 private:
  const double *next_, *end_;
};
}    // namespace lampion

#endif
