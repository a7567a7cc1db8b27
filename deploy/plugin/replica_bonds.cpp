// SPDX-License-Identifier: GPL-2.0-or-later

#include "replica_bonds.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace lampion;

ReplicaBonds::ReplicaBonds(int n_replicas, const std::vector<double> &radii, double break_factor) :
    n_atoms_(static_cast<int>(radii.size()))
{
  const auto square = [](double length) { return length * length; };
  for (int i = 0; i < n_atoms_; i++)
    for (int j = i + 1; j < n_atoms_; j++) {
      const double sum = radii[i] + radii[j];
      pairs_.push_back({i, j, sum, square(BOND_FACTOR * sum), square(FORM_FACTOR * BOND_FACTOR * sum),
                        square(break_factor * sum)});
    }
  bonded_.assign(n_replicas * pairs_.size(), 0);
  since_.assign(n_replicas * pairs_.size(), -1);
}

double ReplicaBonds::distance_sq(const Limits &pair, int replica, const ReplicaFrame &frame) const
{
  const double *const xi = &frame.x[3 * (static_cast<size_t>(replica) * n_atoms_ + pair.i)];
  const double *const xj = &frame.x[3 * (static_cast<size_t>(replica) * n_atoms_ + pair.j)];
  double sum = 0.0;
  for (int a = 0; a < 3; a++) {
    const double d = frame.box.nearest(xj[a] - xi[a], a);
    sum += d * d;
  }
  return sum;
}

void ReplicaBonds::note_change(const Limits &pair, double d_sq, bool bonded, int64_t &since, int64_t step,
                               Geometry &now) const
{
  const bool changed = bonded ? d_sq > pair.broken_sq : d_sq < pair.formed_sq;
  if (!changed) {
    since = -1;
    return;
  }
  if (since < 0) since = step;
  (bonded ? now.n_broken : now.n_formed)++;
  if (now.since >= 0 && since >= now.since) return;
  now.since = since;
  now.changed = {pair.i, pair.j, std::sqrt(d_sq)};
}

void ReplicaBonds::begin(int replica, const ReplicaFrame &frame)
{
  for (size_t k = 0; k < pairs_.size(); k++)
    bonded_[replica * pairs_.size() + k] = distance_sq(pairs_[k], replica, frame) < pairs_[k].bonded_sq;
}

Geometry ReplicaBonds::compare(int replica, const ReplicaFrame &frame)
{
  constexpr double FAR = std::numeric_limits<double>::infinity();
  Geometry now{FAR, {0, 0, FAR}, FAR, 0, 0, {0, 0, FAR}, -1};
  for (size_t k = 0; k < pairs_.size(); k++) {
    const auto &pair = pairs_[k];
    const size_t row = replica * pairs_.size() + k;
    const double d_sq = distance_sq(pair, replica, frame);
    const double ratio_sq = d_sq / (pair.covalent * pair.covalent);
    now.shortest = std::min(now.shortest, d_sq);    // squares, until all pairs are seen
    if (ratio_sq < now.closest_ratio) {
      now.closest_ratio = ratio_sq;
      now.closest = {pair.i, pair.j, std::sqrt(d_sq)};
    }
    note_change(pair, d_sq, bonded_[row], since_[row], frame.step, now);
  }
  now.shortest = std::sqrt(now.shortest);
  now.closest_ratio = std::sqrt(now.closest_ratio);
  return now;
}

void ReplicaBonds::pack(Packed &packed) const
{
  for (size_t k = 0; k < bonded_.size(); k++) {
    packed.push_back(bonded_[k]);
    packed.push_back(static_cast<double>(since_[k]));
  }
}

void ReplicaBonds::unpack(Unpacker &from)
{
  for (size_t k = 0; k < bonded_.size(); k++) {
    bonded_[k] = static_cast<char>(from.next());
    since_[k] = static_cast<int64_t>(from.next());
  }
}
