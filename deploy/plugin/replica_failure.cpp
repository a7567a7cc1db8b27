// SPDX-License-Identifier: GPL-2.0-or-later

#include "replica_failure.h"

#include "fmt/format.h"

#include <algorithm>
#include <cmath>

using namespace lampion;

namespace {

double norm(const double *r)
{
  return std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
}

// rounding must not make an excursion one check longer than it has to be
constexpr double ALMOST = 1.0 - 1e-9;
}    // namespace

std::optional<Failure> lampion::judge_forces(int replica, const Roster &roster, const ReplicaSettings &settings,
                                             const ReplicaFrame &frame)
{
  const int n = roster.n_atoms, first = replica * n;
  const auto failure = [&](Kind kind, int i, double value) {
    return Failure{replica, frame.step, frame.step, kind, i + 1, 0, value};
  };
  const auto missing = n - std::count(&frame.there[first], &frame.there[first] + n, 1);
  if (missing > 0) {
    const auto *gone = std::find(&frame.there[first], &frame.there[first] + n, 0);
    return failure(LOST, static_cast<int>(gone - &frame.there[first]), static_cast<double>(missing));
  }
  for (int i = 0; i < n; i++)
    for (const auto *values : {&frame.x, &frame.v, &frame.f})
      if (const double size = norm(&(*values)[3 * (first + i)]); !std::isfinite(size))
        return failure(NONFINITE, i, size);
  int worst = 0;
  for (int i = 1; i < n; i++)
    if (norm(&frame.f[3 * (first + i)]) > norm(&frame.f[3 * (first + worst)])) worst = i;
  const double largest = norm(&frame.f[3 * (first + worst)]);
  if (largest > settings.force) return failure(FORCE, worst, largest);
  return {};
}

Measured lampion::measure(int replica, const Roster &roster, const ReplicaSettings &settings,
                          const KineticUnits &units, const ReplicaFrame &frame)
{
  const int n = roster.n_atoms, first = replica * n;
  Measured now;
  for (int i = 0; i < n; i++) {
    const double speed = norm(&frame.v[3 * (first + i)]);
    now.ke += 0.5 * units.mvv2e * roster.masses[i] * speed * speed;
    now.fmax = std::max(now.fmax, norm(&frame.f[3 * (first + i)]));
    if (!frame.energies.empty()) now.pe += frame.energies[first + i];
  }
  now.temperature = 2.0 * now.ke / (settings.degrees_of_freedom(n) * units.boltz);
  return now;
}

std::optional<Failure> lampion::judge(int replica, const ReplicaSettings &settings, const Measured &now,
                                      double energy_change, double dt, int64_t step)
{
  const auto &geometry = now.geometry;
  const auto failure = [&](Kind kind, double value) {
    return Failure{replica, step, step, kind, 0, 0, value};
  };
  const auto of_pair = [&](Kind kind, const AtomPair &pair, int64_t since) {
    return Failure{replica, since, step, kind, pair.i + 1, pair.j + 1, pair.distance};
  };
  if (geometry.closest_ratio < settings.distance) return of_pair(DISTANCE, geometry.closest, step);
  if (now.temperature > settings.temperature) return failure(TEMPERATURE, now.temperature);
  if (std::abs(energy_change) > settings.energy) return failure(ENERGY, energy_change);
  const bool persists = geometry.since >= 0 && (step - geometry.since) * dt >= settings.persist * ALMOST;
  if (settings.bonds && persists) return of_pair(BONDS, geometry.changed, geometry.since);
  return {};
}

std::string lampion::describe(const Failure &failure)
{
  const auto &[replica, step, detected, kind, i, j, value] = failure;
  switch (kind) {
    case NONFINITE: return fmt::format("position, velocity or force of atom {} is no finite number", i);
    case FORCE: return fmt::format("a force of {:.6g} on atom {}", value, i);
    case TEMPERATURE: return fmt::format("a temperature of {:.6g}", value);
    case DISTANCE: return fmt::format("atoms {} and {} only {:.6g} apart", i, j, value);
    case ENERGY: return fmt::format("the total energy has changed by {:.6g}", value);
    case BONDS: return fmt::format("the bond graph changed at atoms {} and {}, now {:.6g} apart", i, j, value);
    default: return fmt::format("{:.0f} atom(s) lost, atom {} among them", value, i);
  }
}
