"""What `lampion improve` works with: a training, a reference that labels, a test, and when to stop."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from lampion.analysis.stability.proportions import proportion
from lampion.pipeline.stability.config import StabilityConfig, stability_config
from lampion.training.config.training import load_config
from lampion.training.config.yaml_file import read_mapping, validated
from lampion.training.errors import ConfigError

_PATHS = ("training", "data", "reference", "starts")


class ImproveConfig(BaseModel):
    """Content of the file; paths count from its folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    training: Path = Field(description="training config, as for `lampion train`")
    data: Path = Field(description="labelled frames to begin with, in place of data.file")
    reference: Path = Field(description="what labels: a model file, or a LAMMPS input for `rerun`")
    starts: Path | None = Field(None, description="frames of one molecule to start the test from; none: `data`")
    relabel: bool = Field(False, description="label all frames of `data` with the reference, too")
    stability: dict[str, Any] = Field(default_factory=dict, description="keys of `lampion stability`")
    target: float = Field(0.05, gt=0, lt=1, description="upper end of the failure probability's interval to get below")
    rounds: int = Field(5, ge=1, description="times that frames are added, at most")
    frames: int = Field(50, ge=1, description="frames added in a round")
    largest_force: float = Field(
        20.0, gt=0, description="frames with a larger force of the reference are left out, eV/Å"
    )
    finetune: dict[str, Any] = Field(
        default_factory=dict, description="keys of the training config in the rounds after the first training"
    )

    def stability_config(self, model: Path, number: int) -> StabilityConfig:
        """The test of a round: other starts and velocities in each, so that none is learned by heart."""
        values = {"seed": 1, "periodic": False, **self.stability, "model": model, "starts": self.starts or self.data}
        return stability_config(None, {**values, "seed": values["seed"] + number})


def improve_config(path: Path, given: dict[str, Any]) -> ImproveConfig:
    """The file's keys, replaced by those given on the command line.

    Raises:
        ConfigError: a file that cannot be read, or a key unknown, missing, out of range or naming no file.
    """
    values = read_mapping(path, "`training:` and `reference:`", _PATHS)
    values |= {key: value for key, value in given.items() if value is not None}
    config = validated(ImproveConfig, values, str(path))
    for file in (getattr(config, name) for name in _PATHS):
        if file is not None and not file.is_file():
            raise ConfigError(f"{path}: {file}: no such file")
    _require_reachable(config, path)
    load_config(config.training, finetune_overrides(config))
    return config


def _require_reachable(config: ImproveConfig, path: Path) -> None:
    """Even without a failure, few replicas leave a wide interval."""
    replicas = config.stability_config(config.reference, 0).replicas
    bound = proportion(0, replicas).high
    if bound > config.target:
        raise ConfigError(
            f"{path}: target {config.target:g} cannot be met: no failure of {replicas} replicas means below "
            f"{bound:.3g}; test more replicas"
        )


def finetune_overrides(config: ImproveConfig) -> list[str]:
    """`key=value` texts of `finetune`."""
    return [f"{key}={yaml.safe_dump(value, default_flow_style=True).strip()}" for key, value in config.finetune.items()]
