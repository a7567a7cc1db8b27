// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef LAMPION_COVALENT_RADII_H
#define LAMPION_COVALENT_RADII_H

#include <string>

namespace lampion {

/// Covalent radius of an element in Angstrom (Cordero et al., Dalton Trans. 2008, 2832).
/// Throws std::runtime_error for a name that is none of H .. Cm.
double covalent_radius(const std::string &element);
}    // namespace lampion

#endif
