"""LAMMPS unit styles expressed in Lampion's units: Å, eV, eV/Å, Å/ps, eV/Å³, ps.

Factors follow from the CODATA 2018 constants in scipy and from https://docs.lammps.org/units.html.
"""

from dataclasses import dataclass

from scipy import constants as si

from lampion.training.errors import DataError


@dataclass(frozen=True)
class UnitStyle:
    """Value in Lampion's unit of one unit of a LAMMPS `units` style.

    Attributes:
        length: Å.
        energy: eV.
        time: ps.
        pressure: eV/Å³.
    """

    length: float
    energy: float
    time: float
    pressure: float

    @property
    def force(self) -> float:
        """eV/Å."""
        return self.energy / self.length

    @property
    def velocity(self) -> float:
        """Å/ps."""
        return self.length / self.time


#: eV/K
BOLTZMANN = si.k / si.e
#: g/mol (Å/ps)² in eV
AMU_A2_PER_PS2 = si.atomic_mass * (si.angstrom / si.pico) ** 2 / si.e

_EV_PER_A3 = si.e / si.angstrom**3  # Pa
_HARTREE = si.physical_constants["Hartree energy in eV"][0]
_BOHR = si.physical_constants["Bohr radius"][0] / si.angstrom

STYLES = {
    "metal": UnitStyle(1.0, 1.0, 1.0, si.bar / _EV_PER_A3),
    "real": UnitStyle(1.0, 1000 * si.calorie / si.N_A / si.e, 1e-3, si.atm / _EV_PER_A3),
    "electron": UnitStyle(_BOHR, _HARTREE, 1e-3, 1.0 / _EV_PER_A3),
    "si": UnitStyle(1e10, 1.0 / si.e, 1e12, 1.0 / _EV_PER_A3),
    "cgs": UnitStyle(1e8, si.erg / si.e, 1e12, 0.1 / _EV_PER_A3),
    "micro": UnitStyle(1e4, 1e-15 / si.e, 1e6, 1e3 / _EV_PER_A3),
    "nano": UnitStyle(10.0, 1e-21 / si.e, 1e3, 1e6 / _EV_PER_A3),
}


def unit_style(name: str) -> UnitStyle:
    """Look up a LAMMPS `units` style by name.

    Raises:
        DataError: unknown style, or `lj`, whose numbers have no energy scale.
    """
    if name == "lj":
        raise DataError("labels in `units lj` have no energy in eV; rerun the input in `units metal` or `units real`")
    if name not in STYLES:
        raise DataError(f"unknown LAMMPS units '{name}'; known: {', '.join(STYLES)}")
    return STYLES[name]
