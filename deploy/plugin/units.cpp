// SPDX-License-Identifier: GPL-2.0-or-later

#include "units.h"

#include <map>
#include <stdexcept>

namespace {

// CODATA 2018; e, N_A and the calorie are exact
constexpr double EV_IN_JOULE = 1.602176634e-19;
constexpr double AVOGADRO = 6.02214076e23;
constexpr double KCAL_PER_MOL_IN_EV = 4184.0 / (AVOGADRO * EV_IN_JOULE);
constexpr double HARTREE_IN_EV = 27.211386245988;
constexpr double BOHR_IN_ANGSTROM = 0.529177210903;

// the unit of length in Angstrom and of energy in eV, as in the LAMMPS manual, command `units`
struct Style {
  double angstrom;
  double ev;
};

const std::map<std::string, Style> STYLES = {
    {"metal", {1.0, 1.0}},
    {"real", {1.0, KCAL_PER_MOL_IN_EV}},
    {"si", {1.0e10, 1.0 / EV_IN_JOULE}},
    {"cgs", {1.0e8, 1.0e-7 / EV_IN_JOULE}},
    {"electron", {BOHR_IN_ANGSTROM, HARTREE_IN_EV}},
    {"micro", {1.0e4, 1.0e-15 / EV_IN_JOULE}},    // picogram micrometer^2/microsecond^2
    {"nano", {10.0, 1.0e-21 / EV_IN_JOULE}},      // attogram nanometer^2/nanosecond^2
};
}    // namespace

lampion::Units lampion::conversion(const std::string &model_units, const std::string &unit_style)
{
  if (model_units == "lj" && unit_style == "lj") return {1.0, 1.0};
  const auto style = STYLES.find(unit_style);
  if (model_units == "lj")
    throw std::runtime_error("the model is in reduced units (lj), but the run has units " + unit_style +
                             "; write: units lj");
  if (style == STYLES.end())
    throw std::runtime_error("the model is in eV and Angstrom, but the run has units " + unit_style +
                             ", which have no absolute scale for it; write: units metal (or real, si, cgs, "
                             "electron, micro, nano)");
  return {1.0 / style->second.angstrom, 1.0 / style->second.ev};
}
