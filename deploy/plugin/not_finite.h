// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_NOT_FINITE_H
#define LAMPION_NOT_FINITE_H

#include "graph.h"
#include "stop_together.h"

namespace LAMMPS_NS {
class Atom;
}

namespace lampion {
/// True if every energy and every component of the gradient is a finite number.
bool is_finite(const Graph &, const Result &);
/// The atoms whose energy, or whose edges' gradient, is no finite number: the worst of them.
std::vector<Suspect> atoms_not_finite(const Graph &, const Result &, const LAMMPS_NS::Atom *, double unit_length);
}    // namespace lampion

#endif
