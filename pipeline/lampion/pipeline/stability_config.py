"""What `lampion stability` runs: a model, molecules to start from, how long and under which conditions."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lampion.analysis.stability import PRESETS
from lampion.training.errors import ConfigError

#: time step (fs) and temperature (K) where none is given: the study of ethanol; Fu et al. 2022, arXiv:2210.07237
DEFAULTS = {"nve": (1.0, 300.0), "nvt": (0.5, 500.0)}


class StabilityConfig(BaseModel):
    """Keys of a stability file and options of the command."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Path = Field(description="model file of `lampion export`")
    starts: Path = Field(description="frames of one molecule: extended XYZ or packed frames")
    reference: Path | None = Field(None, description="model file of a reference surface, run from the same starts")
    replicas: int = Field(100, ge=1, description="molecules drawn from the frames")
    steps: int = Field(100_000, ge=1, description="time steps")
    ensemble: Literal["nve", "nvt"] = Field("nve", description="constant energy, or a Langevin bath of every atom")
    temperature: float | None = Field(None, gt=0, description="of velocities and bath, K; none: 300 in nve, 500 in nvt")
    timestep: float | None = Field(None, gt=0, description="fs; none: 1 in nve, 0.5 in nvt")
    criterion: str = Field("lampion", description="what counts as a failure, see analysis/README.md")
    relax_fmax: float = Field(0.05, gt=0, description="starts are relaxed until no force is larger, eV/Å")
    relax_steps: int = Field(100, ge=1, description="starts that take longer are dropped and counted")
    seed: int = Field(1, ge=1, description="of the draw, the velocities and the bath")
    ranks: int = Field(1, ge=1, description="MPI processes")

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
    values = _read(path) if path else {}
    origin = f"{path}: " if path else ""
    try:
        config = StabilityConfig.model_validate(values | {k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(map(str, problem["loc"]))
        raise ConfigError(f"{origin}{name}: {problem['msg']}; give it as --{name.replace('_', '-')}") from None
    if config.criterion not in PRESETS:
        raise ConfigError(f"{origin}criterion: '{config.criterion}' is not one of {', '.join(PRESETS)}")
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys such as `model:` and `starts:`")
    return values | {key: path.parent / values[key] for key in ("model", "starts", "reference") if values.get(key)}
