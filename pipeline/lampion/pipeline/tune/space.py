"""What a hyperparameter search varies and what it minimises: a YAML file checked against typed models."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from lampion.training.config.training import TrainConfig, load_config
from lampion.training.config.yaml_file import read_mapping, validated
from lampion.training.errors import ConfigError

if TYPE_CHECKING:
    from optuna import Trial


def _number(value: Any) -> Any:
    """YAML takes 1e-4 for a text: without a point it is no number there."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Number = Annotated[int | float, BeforeValidator(_number)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(_Section):
    """Numbers from `low` to `high`, both included; whole numbers if both ends are."""

    low: Number
    high: Number
    log: bool = False
    step: Number | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} must be smaller than high {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a logarithmic range starts above 0 and has no step")
        return self

    def suggest(self, trial: "Trial", key: str) -> Any:
        """A number of the range, chosen by the sampler."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(key, self.low, self.high, step=int(self.step or 1), log=self.log)
        return trial.suggest_float(key, self.low, self.high, step=self.step, log=self.log)


class SearchConfig(_Section):
    """A search: `space` maps keys of the training configuration to a list of choices or a range."""

    space: dict[str, Range | list[Any]]
    metric: str = Field("valid_score", description="column of metrics.jsonl; a trial is worth its smallest value")
    startup_trials: int = Field(8, ge=1, description="trials chosen at random, and finished before any is pruned")
    warmup_epochs: int = Field(3, ge=0, description="epochs no trial is pruned in")
    seed: int = Field(1, ge=0, description="of the sampler")

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        """A trial must be measured by what another trial is measured by."""
        if not self.space:
            raise ValueError("space is empty: name a key and its choices, for instance model.channels: [16, 32]")
        for key, choices in self.space.items():
            if key.startswith("data."):
                raise ValueError(f"{key}: trials on different data cannot be compared")
            if key.startswith("loss.") and self.metric == "valid_score":
                raise ValueError(
                    f"{key} changes what valid_score means; set metric, for instance to valid_forces_mae_meV_per_A"
                )
            if isinstance(choices, list) and not choices:
                raise ValueError(f"{key}: the list of choices is empty")
        return self

    def suggest(self, trial: "Trial") -> list[str]:
        """Values of one trial as `key=value` overrides of the training configuration."""
        overrides = []
        for key, choices in self.space.items():
            if isinstance(choices, Range):
                value = json.dumps(choices.suggest(trial, key))
            else:  # choices may be lists, which the journal cannot hold: their texts can
                value = trial.suggest_categorical(key, [json.dumps(choice) for choice in choices])
            overrides.append(f"{key}={value}")
        return overrides

    def corners(self) -> list[list[str]]:
        """Overrides with the first and with the last value of every key, to be tried before anything is trained."""
        ends = {key: (c.low, c.high) if isinstance(c, Range) else (c[0], c[-1]) for key, c in self.space.items()}
        return [[f"{key}={json.dumps(values[side])}" for key, values in ends.items()] for side in (0, 1)]


def load_search(path: Path, config: Path) -> tuple[SearchConfig, TrainConfig]:
    """Read a search and the training configuration it starts from.

    Raises:
        ConfigError: either file is wrong, or a key or a value of the space does not fit the configuration.
    """
    search = validated(SearchConfig, read_mapping(path, "`space:` and `metric:`"), str(path))
    base = load_config(config)
    for overrides in search.corners():
        try:
            load_config(config, overrides)
        except ConfigError as error:
            raise ConfigError(f"{path}: space: {error}") from None
    return search, base
