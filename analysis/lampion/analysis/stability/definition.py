"""What counts as a failure: every threshold in one place, and the definitions others use as presets."""

from dataclasses import dataclass, replace
from types import MappingProxyType

from ase import units

HARTREE_PER_BOHR = units.Hartree / units.Bohr  # 51.42 eV/Å


@dataclass(frozen=True)
class Definition:
    """Thresholds of failure; None switches a criterion off. Units Å, eV, ps, K.

    Attributes:
        force: largest force on one atom.
        gradient: norm of the whole energy gradient, (Σ_i |F_i|²)^(1/2). A record holds the largest force only, which
            is a lower bound of that norm.
        temperature: limits (rise, factor): T > max(T_0 + rise, factor T_0), T_0 the first one recorded.
        temperature_jump: factor between two successive samples.
        distance: shortest distance, as a fraction of the sum of covalent radii.
        drift: |E(t) - E(0)| per atom, both medians over consecutive stretches of `drift_window`. For NVE only.
        bonds: whether a change of the bond graph is a failure.
        bonded, broken, formed: distances of the bond graph as fractions of the sum of covalent radii: bonded at the
            start below the first, broken above the second, formed below the third.
        persistence: how long a pair must stay broken or formed.
        bond_deviation: of any bond of the start from its length there.
        hydrogen: a hydrogen farther than this from every heavier atom, until the end.
    """

    name: str
    force: float | None = None
    gradient: float | None = None
    temperature: tuple[float, float] | None = None
    temperature_jump: float | None = None
    distance: float | None = None
    drift: float | None = None
    drift_window: float = 1.0
    bonds: bool = False
    bonded: float = 1.2
    broken: float = 1.6
    formed: float = 0.95 * 1.2
    persistence: float = 0.05
    bond_deviation: float | None = None
    hydrogen: float | None = None

    @property
    def needs_positions(self) -> bool:
        """Whether energies and temperatures alone cannot answer it and the run's own watch does not look for it."""
        return self.bond_deviation is not None or self.hydrogen is not None

    def with_thermostat(self) -> "Definition":
        """The same without the criterion of the drift: a thermostat changes the energy."""
        return replace(self, drift=None)


LAMPION = Definition(
    "lampion",
    force=100.0,
    temperature=(1000.0, 3.0),
    distance=0.5,
    # 3 k_B ΔT per atom of a harmonic molecule: it has heated by 39 K.
    drift=0.010,
    bonds=True,
)
#: The study's |∇E| > 1, taken in atomic units: 500 K alone gives ethanol 2.2 to 13 eV/Å.
GRADIENT = Definition("gradient", gradient=HARTREE_PER_BOHR)
#: Fu et al., Forces are not enough, TMLR 2023: bond lengths of molecules.
MDSIM = Definition("mdsim", bond_deviation=0.5)
#: MLIPAudit: explosion by temperature, and detached hydrogens.
MLIPAUDIT = Definition("mlipaudit", temperature=(10_000.0, 1.0), temperature_jump=100.0, hydrogen=2.5)

PRESETS = MappingProxyType({preset.name: preset for preset in (LAMPION, GRADIENT, MDSIM, MLIPAUDIT)})
