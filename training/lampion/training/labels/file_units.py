"""Units that label files are written in, as factors to Lampion's: Å, eV, eV/Å, eV/Å³."""

from collections.abc import Mapping
from dataclasses import dataclass

from scipy import constants as si

from lampion.training.errors import ConfigError
from lampion.training.labels.units import STYLES

_EV_PER_A3 = si.e / si.angstrom**3  # Pa

ENERGY = {
    "eV": 1.0,
    "kcal/mol": STYLES["real"].energy,
    "kJ/mol": si.kilo / si.N_A / si.e,
    "Ha": STYLES["electron"].energy,
}
LENGTH = {"Å": 1.0, "bohr": STYLES["electron"].length, "nm": 10.0}
STRESS = {"eV/Å³": 1.0, "GPa": si.giga / _EV_PER_A3, "kbar": 1e3 * si.bar / _EV_PER_A3}

#: other spellings, in lower case
ALIASES = {
    **{name.lower(): name for name in (*ENERGY, *LENGTH, *STRESS)},
    "hartree": "Ha",
    "a": "Å",
    "ang": "Å",
    "angstrom": "Å",
    "ev/a3": "eV/Å³",
    "ev/a^3": "eV/Å³",
}


@dataclass(frozen=True)
class LabelUnits:
    """Value in Lampion's units of one unit of a file: eV, Å, and eV/Å³ (negative where compression is positive)."""

    energy: float = 1.0
    length: float = 1.0
    stress: float = 1.0

    @property
    def force(self) -> float:
        """eV/Å."""
        return self.energy / self.length


def label_units(
    energy: str | None, length: str | None, stress: str | None = None, *, compression_positive: bool = False
) -> LabelUnits:
    """Factors of units given by name; eV and Å where none is given, stress then in energy / length³.

    Raises:
        ConfigError: unknown name of a unit.
    """
    e, r = _factor(energy or "eV", ENERGY), _factor(length or "Å", LENGTH)
    s = _factor(stress, STRESS) if stress else e / r**3
    return LabelUnits(e, r, -s if compression_positive else s)


def _factor(name: str, table: Mapping[str, float]) -> float:
    known = ALIASES.get(name.strip().lower())
    if known is None or known not in table:
        raise ConfigError(f"unknown unit '{name}'; known here: {', '.join(table)}")
    return table[known]
