"""A grid of models: one training configuration, a few of its keys varied, every combination a model."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lampion.pipeline.shipped import shipped_path
from lampion.pipeline.stability.config import StabilityConfig, stability_config
from lampion.pipeline.study.model_form import MEANING, file_name
from lampion.training.config.training import TrainConfig, load_config
from lampion.training.config.yaml_file import read_mapping, validated
from lampion.training.errors import ConfigError

Value = bool | int | float | str
_EXAMPLE = "`training:` and `grid:`"


class Axis(BaseModel):
    """A key of the training configuration and the values it takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(description="key of the training configuration, for instance loss.forces")
    values: list[Value] = Field(min_length=1, description="what it is set to")


class GridConfig(BaseModel):
    """Content of a study file with a grid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(description="heading of the report")
    data_hint: str = Field("labelled frames of one molecule", description="what to give as --data")
    training: str = Field(description="name of the training config")
    grid: dict[str, Axis] = Field(min_length=1, description="name in the report -> what varies")
    set: dict[str, Any] = Field(default_factory=dict, description="further keys of the training config, all models")
    compiled: bool = Field(False, description=MEANING)
    valid_share: float | None = Field(None, gt=0, description="frames of validation per frame of training")
    stability: dict[str, Any] = Field(default_factory=dict, description="keys of `lampion stability`")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        words = [_word(name) for name in self.grid]
        if len(set(words)) < len(words):
            raise ValueError("the names of the grid must begin with different words: folders are named by them")
        return self


@dataclass(frozen=True)
class GridModel:
    """One model of the grid.

    Attributes:
        name: of its folder.
        parameters: its values, by the names in the report.
        overrides: `key=value` texts for the training configuration.
    """

    name: str
    parameters: Mapping[str, Value]
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """Everything a study of many models reads, the data excepted."""

    config: GridConfig
    training: Path
    models: tuple[GridModel, ...]

    @property
    def file_name(self) -> str:
        """Of every exported model."""
        return file_name(self.config.compiled)

    def train_config(self, model: GridModel, data: Path) -> TrainConfig:
        """Training configuration of one model."""
        return load_config(self.training, [*model.overrides, f"data.file={data}"])

    def stability_config(self, model: Path, starts: Path) -> StabilityConfig:
        """What a model file is put to."""
        return stability_config(None, {**self.config.stability, "model": model, "starts": starts})


def is_grid(path: Path) -> bool:
    """Whether a study file has a grid; False for a file that cannot be read."""
    try:
        return "grid" in read_mapping(path, _EXAMPLE)
    except ConfigError:
        return False


def study_path(name: str) -> Path:
    """File of a shipped study (`ethanol`), or the study file itself.

    Raises:
        ShippedFileError: no such shipped study.
    """
    return Path(name) if name.endswith((".yaml", ".yml")) else shipped_path(f"studies/{name}.yaml")


def default_folder(name: str, small: bool) -> Path:
    """Where a study is written if nothing else is asked for."""
    return Path("runs") / (Path(name).stem + ("-small" if small else ""))


def load_grid(name: str, *, small: bool = False, sets: Sequence[str] = ()) -> Grid:
    """Models of a shipped study, or of a study file beside `configs/`.

    Args:
        name: `ethanol`, or a path.
        small: with the keys of the section `small`.
        sets: `key=value` texts that replace values of the training config, not of the grid.

    Raises:
        ConfigError: the study file or the training config is wrong, or a value does not fit the latter.
    """
    path = study_path(name)
    config = _load(path, small)
    given = name.endswith((".yaml", ".yml"))
    training = path.resolve().parent.parent / "configs" / f"{config.training}.yaml"
    training = training if given else shipped_path(f"configs/{config.training}.yaml")
    if not training.exists():
        raise ConfigError(f"study {name}: needs {training}; copy the shipped files with `lampion inputs`")
    grid = Grid(config, training, tuple(_models(config, sets)))
    for model in grid.models:
        try:
            grid.train_config(model, Path("frames.h5"))
        except ConfigError as error:
            raise ConfigError(f"{path}: model {model.name}: {error}") from None
    grid.stability_config(Path("model.pt"), Path("starts.h5"))
    return grid


def _load(path: Path, small: bool) -> GridConfig:
    values = read_mapping(path, _EXAMPLE)
    part = values.pop("small", None)
    if small and not isinstance(part, dict):
        raise ConfigError(f"{path}: has no section `small`")
    return validated(GridConfig, values | (part if small else {}), str(path))


def _models(config: GridConfig, sets: Sequence[str]) -> list[GridModel]:
    """Every combination, the first axis the slowest."""
    common = [*(_override(key, value) for key, value in config.set.items()), *sets]
    models = []
    for values in itertools.product(*(axis.values for axis in config.grid.values())):
        parameters = dict(zip(config.grid, values, strict=True))
        varied = {axis.key: parameters[name] for name, axis in config.grid.items()}
        size = varied.get("data.train")
        if config.valid_share and isinstance(size, int):
            varied["data.valid"] = max(1, round(config.valid_share * size))
        overrides = (*common, *(_override(key, value) for key, value in varied.items()))
        models.append(GridModel("-".join(_label(*item) for item in parameters.items()), parameters, overrides))
    return models


def _override(key: str, value: Any) -> str:
    return f"{key}={json.dumps(value)}"


def _label(name: str, value: Value) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return _word(name) + text.replace("/", "_")


def _word(name: str) -> str:
    return name.split("_")[0]
