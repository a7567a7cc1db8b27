// SPDX-License-Identifier: GPL-2.0-or-later

#include "replica_settings.h"

#include "covalent_radii.h"
#include "units.h"

#include "atom.h"
#include "error.h"
#include "force.h"
#include "update.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <functional>
#include <map>

using namespace LAMMPS_NS;
using lampion::NO_LIMIT;
using lampion::ReplicaSettings;

namespace {

/// The words after the style, read one after the other.
class Words {
 public:
  Words(LAMMPS *lmp, int narg, char **arg) : lmp_(lmp), next_(arg), end_(arg + narg) {}
  bool left() const { return next_ != end_; }
  const std::string &keyword() { return keyword_ = *next_++; }
  const char *text()
  {
    if (!left()) lmp_->error->all(FLERR, "fix lampion/replicas: keyword {} needs a value", keyword_);
    return *next_++;
  }
  int64_t count(int64_t least)
  {
    const auto value = utils::bnumeric(FLERR, text(), false, lmp_);
    if (value < least) lmp_->error->all(FLERR, "fix lampion/replicas: {} must be {} or more", keyword_, least);
    return value;
  }
  int number(const std::string &word)
  {
    const int value = utils::inumeric(FLERR, word, false, lmp_);
    if (value < 1) lmp_->error->all(FLERR, "fix lampion/replicas: {} must be positive", keyword_);
    return value;
  }
  double positive() { return checked(utils::numeric(FLERR, text(), false, lmp_)); }
  /// A positive number, or NULL for `off`.
  double limit(double off)
  {
    const char *word = text();
    return strcmp(word, "NULL") == 0 ? off : checked(utils::numeric(FLERR, word, false, lmp_));
  }

 private:
  double checked(double value)
  {
    if (value <= 0.0) lmp_->error->all(FLERR, "fix lampion/replicas: {} must be positive", keyword_);
    return value;
  }

  LAMMPS *lmp_;
  char **next_, **end_;
  std::string keyword_;
};

using Reader = std::function<void(Words &, ReplicaSettings &)>;

const std::map<std::string, Reader> KEYWORDS = {
    {"every", [](Words &words, ReplicaSettings &to) { to.every = words.count(1); }},
    {"record", [](Words &words, ReplicaSettings &to) { to.record = words.text(); }},
    {"record_every", [](Words &words, ReplicaSettings &to) { to.record_every = words.count(1); }},
    {"failures", [](Words &words, ReplicaSettings &to) { to.failures = words.text(); }},
    {"keep",
     [](Words &words, ReplicaSettings &to) {
       to.keep = words.count(1);
       to.keep_every = words.count(1);
       to.keep_prefix = words.text();
     }},
    {"force", [](Words &words, ReplicaSettings &to) { to.force = words.limit(NO_LIMIT); }},
    {"temperature", [](Words &words, ReplicaSettings &to) { to.temperature = words.limit(NO_LIMIT); }},
    {"distance", [](Words &words, ReplicaSettings &to) { to.distance = words.limit(0.0); }},
    {"energy", [](Words &words, ReplicaSettings &to) { to.energy = words.limit(NO_LIMIT); }},
    {"break",
     [](Words &words, ReplicaSettings &to) {
       const double factor = words.limit(NO_LIMIT);
       to.bonds = factor != NO_LIMIT;
       if (to.bonds) to.break_factor = factor;
     }},
    {"persist", [](Words &words, ReplicaSettings &to) { to.persist = words.positive(); }},
    {"dof",
     [](Words &words, ReplicaSettings &to) {
       const std::string word = words.text();
       if (word == "internal") to.dof = ReplicaSettings::INTERNAL;
       else if (word == "all") to.dof = ReplicaSettings::ALL;
       else to.dof = words.number(word);
     }},
};

void read_elements(LAMMPS *lmp, Words &words, ReplicaSettings &to)
{
  for (int type = 1; type <= lmp->atom->ntypes; type++) {
    to.elements.emplace_back(words.text());
    try {
      lampion::covalent_radius(to.elements.back());
    } catch (const std::exception &e) {
      lmp->error->all(FLERR, "fix lampion/replicas: elements needs {} names, one per atom type: {}", lmp->atom->ntypes,
                      e.what());
    }
  }
}

[[noreturn]] void unknown_keyword(LAMMPS *lmp, const std::string &word)
{
  std::string names = "elements";
  for (const auto &[name, reader] : KEYWORDS) names += ", " + name;
  lmp->error->all(FLERR, "fix lampion/replicas has no keyword '{}'; its keywords are {}", word, names);
}

// what is written is written on steps that are looked at
void require_multiple(LAMMPS *lmp, const char *keyword, int64_t steps, int64_t every)
{
  if (steps % every != 0)
    lmp->error->all(FLERR, "fix lampion/replicas: {} {} is no multiple of every {}", keyword, steps, every);
}

// Angstrom, eV and fs in the units of the run
void set_defaults(LAMMPS *lmp, ReplicaSettings &settings)
{
  try {
    const auto units = lampion::conversion("metal", lmp->update->unit_style);
    settings.force = 100.0 * units.energy / units.length;
    settings.persist = 50.0 * lmp->force->femtosecond;
  } catch (const std::exception &) {
    lmp->error->all(FLERR, "fix lampion/replicas: covalent radii have no meaning in units {}; write: units metal (or "
                    "real, si, cgs, electron, micro, nano)", lmp->update->unit_style);
  }
}
}    // namespace

double ReplicaSettings::degrees_of_freedom(int n) const
{
  if (dof == ALL || n == 1) return 3.0 * n;
  return dof == INTERNAL ? std::max(3 * n - 6, 1) : dof;    // two atoms have 5, not 6, that move them as a whole
}

ReplicaSettings lampion::parse_replica_settings(LAMMPS *lmp, int narg, char **arg)
{
  ReplicaSettings settings;
  set_defaults(lmp, settings);
  Words words(lmp, narg, arg);
  while (words.left()) {
    const auto name = words.keyword();
    if (name == "elements") {
      settings.elements.clear();
      read_elements(lmp, words, settings);
      continue;
    }
    const auto found = KEYWORDS.find(name);
    if (found == KEYWORDS.end()) unknown_keyword(lmp, name);
    found->second(words, settings);
  }
  if (settings.elements.empty())
    lmp->error->all(FLERR, "fix lampion/replicas needs the elements, one per atom type; write: fix watch all "
                    "lampion/replicas elements C H O");
  if (!settings.record.empty()) require_multiple(lmp, "record_every", settings.record_every, settings.every);
  if (settings.keep) require_multiple(lmp, "steps of keep", settings.keep_every, settings.every);
  return settings;
}
