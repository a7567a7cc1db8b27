// SPDX-License-Identifier: GPL-2.0-or-later

#include "short_pairs.h"

#include "fmt/format.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace {
constexpr double NEVER = std::numeric_limits<double>::infinity();
}

lampion::ShortPairs::ShortPairs(const std::vector<std::string> &type_names,
                                const std::map<std::string, double> &shortest, double scale) :
    n_types_(static_cast<int>(type_names.size())), names_(type_names)
{
  limit_sq_.assign(n_types_ * n_types_, 0.0);
  edges_.assign(n_types_ * n_types_, 0.0);
  shortest_sq_.assign(n_types_ * n_types_, NEVER);
  for (int a = 0; a < n_types_; a++)
    for (int b = 0; b < n_types_; b++) {
      const auto found = shortest.find(names_[a] + "-" + names_[b]);
      if (found == shortest.end()) continue;
      const double limit = found->second * scale;
      limit_sq_[row(a, b)] = limit_sq_[row(b, a)] = limit * limit;
      reach_sq_ = std::max(reach_sq_, limit * limit);
    }
}

void lampion::ShortPairs::see(int i, int j, int type_i, int type_j, double distance_sq)
{
  const int pair = row(std::max(type_i, type_j), std::min(type_i, type_j));
  if (distance_sq >= limit_sq_[pair]) return;
  edges_[pair] += 1.0;
  shortest_sq_[pair] = std::min(shortest_sq_[pair], distance_sq);
  const double ratio = std::sqrt(distance_sq / limit_sq_[pair]);
  if (ratio < worst_.ratio) worst_ = {i, j, std::sqrt(distance_sq), std::sqrt(limit_sq_[pair]), ratio};
}

std::string lampion::ShortPairs::report(MPI_Comm world)
{
  MPI_Allreduce(MPI_IN_PLACE, edges_.data(), static_cast<int>(edges_.size()), MPI_DOUBLE, MPI_SUM, world);
  MPI_Allreduce(MPI_IN_PLACE, shortest_sq_.data(), static_cast<int>(edges_.size()), MPI_DOUBLE, MPI_MIN, world);
  std::string text;
  for (int a = 0; a < n_types_; a++)
    for (int b = 0; b <= a; b++) {
      if (edges_[row(a, b)] == 0.0) continue;
      text += fmt::format("{} {}-{}: {:.0f} pair-steps, shortest {:.6g}, in training {:.6g}", text.empty() ? "" : ";",
                          std::min(names_[a], names_[b]), std::max(names_[a], names_[b]), edges_[row(a, b)] / 2.0,
                          std::sqrt(shortest_sq_[row(a, b)]), std::sqrt(limit_sq_[row(a, b)]));
    }
  std::fill(edges_.begin(), edges_.end(), 0.0);
  std::fill(shortest_sq_.begin(), shortest_sq_.end(), NEVER);
  return text.empty() ? "no pair came closer than in the training data"
                      : "pairs came closer than in the training data:" + text;
}
