"""What a user says about a file of labels when the file does not say it itself."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from lampion.training.errors import ConfigError

if TYPE_CHECKING:
    from lampion.training.labels.file_units import LabelUnits

#: options for files of frames with named labels
NAMED_LABELS = (
    *("energy_key", "forces_key", "stress_key"),
    *("energy_unit", "length_unit", "stress_unit", "compression_positive"),
)


@dataclass(frozen=True)
class ReadOptions:
    """How to read labels.

    Attributes:
        energy_key, forces_key: names of the labels; given together, because labels of two methods must not mix.
        stress_key: name of the stress; "none" reads none.
        energy_unit, length_unit: forces are in energy / length.
        stress_unit: none: energy / length³.
        compression_positive: stress is written as pressure is counted, positive under compression.
        log, types, units: of a LAMMPS dump: its log, the element of each type, its `units`.
    """

    energy_key: str | None = None
    forces_key: str | None = None
    stress_key: str | None = None
    energy_unit: str | None = None
    length_unit: str | None = None
    stress_unit: str | None = None
    compression_positive: bool = False
    log: Path | None = None
    types: str | None = None
    units: str | None = None

    def __post_init__(self) -> None:
        if bool(self.energy_key) != bool(self.forces_key):
            raise ConfigError(
                "--energy-key and --forces-key go together: a file with several label sets must not have its energies "
                "read from one and its forces from another"
            )

    @property
    def factors(self) -> "LabelUnits":
        """The units as factors."""
        from lampion.training.labels.file_units import (
            label_units,  # scipy's constants: too slow for the start of a command
        )

        return label_units(
            self.energy_unit, self.length_unit, self.stress_unit, compression_positive=self.compression_positive
        )

    def only(self, path: Path, *allowed: str) -> None:
        """Refuse options that mean nothing for the kind of file at hand.

        Raises:
            ConfigError: an option other than those allowed is set.
        """
        for field in fields(self):
            if field.name not in allowed and getattr(self, field.name) != field.default:
                option = field.name.replace("_", "-")
                raise ConfigError(f"{path}: --{option} does not apply to this kind of file")
