// SPDX-License-Identifier: GPL-2.0-or-later
// What fix lampion/replicas keeps: its tables, the header of its files, its part of a restart file.

#include "fix_lampion_replicas_impl.h"

#include "covalent_radii.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

using namespace LAMMPS_NS;
using lampion::ALIVE;
using lampion::KIND_NAMES;

int FixLampionReplicas::Impl::n_alive() const
{
  return static_cast<int>(std::count(kind.begin(), kind.end(), ALIVE));
}

void FixLampionReplicas::Impl::prepare(double angstrom)
{
  std::vector<double> radii;
  for (const int type : roster.types) radii.push_back(lampion::covalent_radius(settings.elements[type - 1]) * angstrom);
  bonds = lampion::ReplicaBonds(roster.n_replicas, radii, settings.break_factor);
  last_frames = lampion::LastFrames(settings.keep);
  kind.assign(roster.n_replicas, ALIVE);
  start_energy.assign(roster.n_replicas, 0.0);
  measured.assign(roster.n_replicas, {});
}

// A step is recorded once, also where one run ends and the next begins.
bool FixLampionReplicas::Impl::records(bigint step) const
{
  return !settings.record.empty() && step % settings.record_every == 0 && step > last_record;
}

bool FixLampionReplicas::Impl::keeps(bigint step) const
{
  return settings.keep > 0 && step % settings.keep_every == 0;
}

void FixLampionReplicas::Impl::fail(const std::optional<lampion::Failure> &failure)
{
  if (!failure) return;
  kind[failure->replica] = failure->kind;
  failures.push_back(*failure);
}

/* ----------------------------------------------------------------------
   files
------------------------------------------------------------------------- */

// Frames of replicas that have not failed are of another run, or of a part of this one that is done again.
void FixLampionReplicas::Impl::open_files(const char *units, double dt, bigint step)
{
  const auto open = [&](lampion::RowFile &file, const std::string &path, const char *columns, int column) {
    if (resumed) file.resume(path, header(units, dt, columns), column, step);
    else file.create(path, header(units, dt, columns));
  };
  open(record, settings.record, "step replica pe ke temperature fmax dmin n_broken n_formed", 0);
  open(failed, settings.failures, "replica step detected kind atom_i atom_j value", 2);
  for (int replica = 0; settings.keep > 0 && replica < roster.n_replicas; replica++)
    if (alive(replica)) std::filesystem::remove(kept_file(replica));
}

std::string FixLampionReplicas::Impl::kept_file(int replica) const
{
  return fmt::format("{}.{}.dump", settings.keep_prefix, replica + 1);
}

std::string FixLampionReplicas::Impl::rows() const
{
  std::string text;
  for (int replica = 0; replica < roster.n_replicas; replica++) {
    if (!alive(replica)) continue;
    const auto &now = measured[replica];
    text += fmt::format("{} {} {:.12g} {:.12g} {:.6g} {:.6g} {:.6g} {} {}\n", frame.step, replica + 1, now.pe, now.ke,
                        now.temperature, now.fmax, now.geometry.shortest, now.geometry.n_broken, now.geometry.n_formed);
  }
  return text;
}

void FixLampionReplicas::Impl::write_failures()
{
  std::string text;
  for (const auto &[replica, step, detected, kind, i, j, value] : failures) {
    const auto number = std::isnan(value) ? "nan" : fmt::format("{:.8g}", value);    // not -nan
    text += fmt::format("{} {} {} {} {} {} {}\n", replica + 1, step, detected, KIND_NAMES[kind], i, j, number);
    if (settings.keep > 0)
      lampion::write_file(kept_file(replica), last_frames.text(replica, roster, settings.elements, frame));
  }
  failed.append(text);
}

std::string FixLampionReplicas::Impl::header(const char *units, double dt, const char *columns) const
{
  std::string elements;
  for (const int type : roster.types) elements += " " + settings.elements[type - 1];
  return fmt::format("# lampion replicas 1\n# units {}\n# timestep {:.12g}\n# atoms_per_replica {}\n"
                     "# elements{}\n# columns {}\n", units, dt, roster.n_atoms, elements, columns);
}

/* ----------------------------------------------------------------------
   restart files
------------------------------------------------------------------------- */

lampion::Packed FixLampionReplicas::Impl::pack() const
{
  lampion::Packed packed{double(roster.n_replicas), double(roster.n_atoms)};
  packed.insert(packed.end(), roster.types.begin(), roster.types.end());
  packed.insert(packed.end(), roster.masses.begin(), roster.masses.end());
  packed.insert(packed.end(), kind.begin(), kind.end());
  packed.insert(packed.end(), start_energy.begin(), start_energy.end());
  packed.push_back(static_cast<double>(last_record));
  bonds.pack(packed);
  last_frames.pack(packed);
  return packed;
}

void FixLampionReplicas::Impl::unpack(lampion::Unpacker from, double angstrom)
{
  roster.n_replicas = static_cast<int>(from.next());
  roster.n_atoms = static_cast<int>(from.next());
  roster.types.resize(roster.n_atoms);
  for (auto &type : roster.types) type = static_cast<int>(from.next());
  roster.masses.resize(roster.n_atoms);
  from.fill(roster.masses);
  prepare(angstrom);
  for (auto &value : kind) value = static_cast<int>(from.next());
  from.fill(start_energy);
  last_record = static_cast<bigint>(from.next());
  bonds.unpack(from);
  last_frames.unpack(from, n_all());
  resumed = roster.n_replicas > 0;
}
