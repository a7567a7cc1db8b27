"""What `lampion stability` runs: a model, frames to start from, how long and under which conditions."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from lampion.analysis.stability import PRESETS
from lampion.training.config.yaml_file import read_mapping, validated

#: time step (fs) and temperature (K) where none is given: the study of ethanol; Fu et al. 2022, arXiv:2210.07237
DEFAULTS = {"nve": (1.0, 300.0), "nvt": (0.5, 500.0)}


class StabilityConfig(BaseModel):
    """Keys of a stability file and options of the command."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Path = Field(description="model file of `lampion export`")
    starts: Path = Field(description="frames of one molecule, or of one periodic system: extended XYZ or packed frames")
    reference: Path | None = Field(None, description="model file of a reference surface, run from the same starts")
    replicas: int = Field(100, ge=1, description="drawn from the frames")
    periodic: bool | None = Field(None, description="whether frames are boxes that repeat; none: as they say")
    steps: int = Field(100_000, ge=1, description="time steps")
    ensemble: Literal["nve", "nvt"] = Field("nve", description="constant energy, or a Langevin bath of every atom")
    temperature: float | None = Field(None, gt=0, description="of velocities and bath, K; none: 300 in nve, 500 in nvt")
    timestep: float | None = Field(None, gt=0, description="fs; none: 1 in nve, 0.5 in nvt")
    criterion: str = Field("lampion", description="what counts as a failure, see analysis/README.md")
    relax_fmax: float = Field(0.05, gt=0, description="starts are relaxed until no force is larger, eV/Å")
    relax_steps: int = Field(100, ge=1, description="starts that take longer are dropped and counted")
    seed: int = Field(1, ge=1, description="of the draw, the velocities and the bath")
    ranks: int = Field(1, ge=1, description="MPI processes")

    @field_validator("criterion")
    @classmethod
    def _is_a_preset(cls, name: str) -> str:
        if name not in PRESETS:
            raise ValueError(f"'{name}' is not one of {', '.join(PRESETS)}")
        return name

    @property
    def kelvin(self) -> float:
        """Temperature, K."""
        return self.temperature or DEFAULTS[self.ensemble][1]

    @property
    def femtoseconds(self) -> float:
        """Time step, fs."""
        return self.timestep or DEFAULTS[self.ensemble][0]


def stability_config(path: Path | None, given: dict[str, Any]) -> StabilityConfig:
    """The file's keys, replaced by those given on the command line; paths in the file count from its folder.

    Raises:
        ConfigError: a file that cannot be read, a key unknown, missing or out of range, a criterion that is none.
    """
    values = read_mapping(path, "`model:` and `starts:`", ("model", "starts", "reference")) if path else {}
    values |= {key: value for key, value in given.items() if value is not None}
    return validated(StabilityConfig, values, str(path or ""), missing="; give it as --{}")
