"""Training configuration: YAML checked against typed models; an unknown key is an error with its line."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lampion.training.config.model import ARCHITECTURES, AnyModelConfig, ModelConfig
from lampion.training.config.yaml_file import first_problem, read_mapping
from lampion.training.errors import ConfigError

__all__ = ["DataConfig", "LossConfig", "ModelConfig", "OptimizerConfig", "TrainConfig", "load_config"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Section):
    """Which frames to learn from.

    A folder of `lampion data split` comes split: `train`, `valid`, `test` and `split_seed` do not apply to it.
    """

    file: str = Field(
        description="labelled frames: HDF5 of `lampion data convert`, extended XYZ, or a folder of `lampion data split`"
    )
    valid_file: str | None = Field(None, description="frames that choose the best weights; none: taken from `file`")
    test_file: str | None = Field(None, description="frames to test on; none: taken from `file`")
    train: int | float = Field(0.8, description="frames of `file` to train on: a share, or a whole number of frames")
    valid: int | float = Field(0.1, description="share or number of frames of `file` that choose the best weights")
    test: int | float | None = Field(None, description="share or number of frames to test on; none: all others")
    split_seed: int | None = Field(
        None, description="seed of a random split; none: train, valid and test follow each other in the file"
    )
    elements: list[str] | None = Field(None, description="the elements expected; data with others are refused")
    energies: Literal["least_squares", "isolated_atoms"] = Field(
        "least_squares", description="energy of each element that the model adds to what it learns"
    )
    isolated_atoms: str | dict[str, float] | None = Field(
        None, description="their energies: a file of one-atom frames, or eV by element; none: as found in `file`"
    )

    @field_validator("train", "valid", "test")
    @classmethod
    def _share_or_count(cls, size: int | float | None) -> int | float | None:
        if size is not None and (size <= 0 or (isinstance(size, float) and size >= 1)):
            raise ValueError("should be a share between 0 and 1, or a whole number of frames from 1")
        return size


Weight = float | tuple[float, float]


class LossConfig(_Section):
    """Weights of the errors, each in units of the data's own force scale.

    A weight [a, b] moves from a to b geometrically over the training.
    """

    energy: Weight = Field(1.0, description="of the energy per atom")
    forces: Weight = Field(1.0, description="of the force components")
    stress: Weight = Field(0.0, description="of stress x volume per atom; 0 ignores the stress")
    kind: Literal["mse", "huber", "mae"] = Field(
        "mse", description="what an error of energy, forces or stress costs: its square, Huber's function, its size"
    )
    delta: float = Field(0.1, gt=0, description="error from which `huber` grows linearly, in force scales")
    hessian: Weight = Field(0.0, description="of Hessian-vector products; 0 ignores the Hessians")
    hessian_files: list[str] = Field([], description="npz files of `lampion hessian`, or of the same layout")
    hessian_vectors: int = Field(
        4, ge=0, description="products per step, each of a frame drawn at random; 0: the whole Hessian of one frame"
    )

    @field_validator("energy", "forces", "stress", "hessian")
    @classmethod
    def _usable(cls, weight: Weight) -> Weight:
        if isinstance(weight, tuple) and min(weight) <= 0:
            raise ValueError("both ends of [a, b] should be greater than 0")
        if not isinstance(weight, tuple) and weight < 0:
            raise ValueError("should not be negative")
        return weight


class OptimizerConfig(_Section):
    """The optimizer, its schedule and what surrounds it."""

    method: Literal["adamw", "muon"] = Field(
        "adamw", description="`muon`: steps of equal size in all directions of a mixing matrix, AdamW for the rest"
    )
    learning_rate: float = Field(0.01, gt=0, description="largest learning rate")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay")
    amsgrad: bool = Field(False, description="the AMSGrad variant of AdamW")
    clip: float = Field(10.0, gt=0, description="largest norm of the gradient")
    ema: float = Field(0.99, ge=0, lt=1, description="decay of the averaged weights, which are the ones exported")
    warmup_steps: int = Field(50, ge=0, description="steps over which the rate rises from zero")
    schedule: Literal["cosine", "exponential", "plateau", "constant"] = Field(
        "cosine", description="how the rate falls"
    )
    final_factor: float = Field(0.005, gt=0, le=1, description="learning rate at the end, as a share of the first")
    plateau_patience: int = Field(10, ge=1, description="epochs without improvement before `plateau` halves the rate")


class FinetuneConfig(_Section):
    """Where the weights come from, if not from chance.

    The model has to be that of the checkpoint. Elements it does not know are added.
    """

    checkpoint: str | None = Field(None, description="checkpoint whose averaged weights to start from")
    freeze: list[str] = Field([], description="parameters that stay as they are, by the beginning of their names")
    refit_energies: bool = Field(
        False, description="fit the energy per atom of all elements anew, for another level of theory; else of new ones"
    )


class TrainConfig(_Section):
    """A whole training run; a file of this shape is the complete record of it."""

    data: DataConfig
    model: AnyModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    epochs: int = Field(100, ge=1, description="passes over the training frames")
    batch_size: int = Field(1, ge=1, description="frames per step and process")
    batch_atoms: int | None = Field(
        None,
        ge=1,
        description="atoms per step and process at most, in place of `batch_size`; a larger frame goes alone",
    )
    patience: int = Field(0, ge=0, description="stop after that many epochs without improvement; 0: never")
    stop_on: Literal["loss", "energy_mae", "energy_rmse", "forces_mae", "forces_rmse"] = Field(
        "loss", description="validation error that `best.ckpt`, `patience` and `plateau` go by"
    )
    checkpoint_every: int = Field(200, ge=1, description="steps between checkpoints")
    seed: int = Field(1, ge=0, description="of the weights and of the order of the frames")
    bootstrap: bool = Field(False, description="train on as many frames drawn with replacement, others for each seed")
    deterministic: bool = Field(False, description="refuse operations whose result may differ from run to run")
    compile: Literal["auto", "always", "never"] = Field(
        "auto", description="compile the training step; `auto`: if the training is long enough to gain by it"
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="where to compute")
    threads: int | None = Field(None, ge=1, description="CPU threads; none: what torch chooses")
    tensorboard: bool = Field(False, description="also write the metrics for TensorBoard")

    @model_validator(mode="after")
    def _forces_alone(self) -> Self:
        others = (self.loss.energy, self.loss.stress, self.loss.hessian)
        if not self.model.conservative and any(map(_is_weight, others)):
            raise ValueError(
                f"model.architecture {self.model.architecture} predicts forces and no energy; "
                "write loss: {energy: 0, stress: 0, hessian: 0}"
            )
        return self


def _is_weight(weight: float | tuple[float, float]) -> bool:
    return any(weight) if isinstance(weight, tuple) else bool(weight)


def load_config(path: Path, overrides: list[str] | None = None) -> TrainConfig:
    """Read a YAML training configuration.

    Args:
        path: YAML file.
        overrides: `section.key=value` texts that replace values of the file (the `--set` option).

    Raises:
        ConfigError: file, line and key of the first problem, with a suggestion for a misspelt key.
    """
    values = read_mapping(path, "`data:` and `model:`")
    for override in overrides or []:
        _apply(values, override)
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, path)) from None


def _apply(values: dict[str, Any], override: str) -> None:
    name, separator, value = override.partition("=")
    if not separator:
        raise ConfigError(f"--set {override}: expected key=value, for instance --set optimizer.learning_rate=0.005")
    *sections, key = name.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {override}: '{section}' is a value, not a section")
    values[key] = yaml.safe_load(value)


def _explain(error: ValidationError, path: Path) -> str:
    """First problem of a validation error as `file:line key: what is wrong`."""
    problem = first_problem(error)
    location = [part for part in problem["loc"] if isinstance(part, str)]
    architecture = location.pop(1) if location[:1] == ["model"] and len(location) > 1 else None
    if problem["type"] == "union_tag_invalid":
        location.append("architecture")
    name = ".".join(location)
    line = _line_of(path.read_text(encoding="utf-8"), location)
    where = f"{path}:{line}" if line else str(path)
    match problem["type"]:
        case "extra_forbidden":
            hint = _guess(location[-1], _known_keys(location[:-1], architecture), location[:-1])
            return f"{where}: {name}: unknown key.{hint}"
        case "union_tag_invalid":
            tag = problem["ctx"]["tag"]
            return f"{where}: {name}: '{tag}' is not one of {', '.join(ARCHITECTURES)}.{_guess(tag, ARCHITECTURES)}"
        case "union_tag_not_found":
            return f"{where}: {name}: expected keys such as `cutoff:`, got {problem['input']!r}"
        case "missing":
            return f"{where}: {name} is missing"
        case "value_error" if not location:
            return f"{where}: {problem['ctx']['error']}"
    return f"{where}: {name}: {problem['msg']}, got {problem['input']!r}"


def _guess(word: str, known: Iterable[str], sections: Sequence[str] = ()) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {'.'.join([*sections, close[0]])}?" if close else ""


def _known_keys(sections: list[str], architecture: str | None) -> list[str]:
    if architecture:
        return list(ARCHITECTURES[architecture].model_fields)
    model: Any = TrainConfig
    for section in sections:
        model = model.model_fields[section].annotation
    return list(model.model_fields)


def _line_of(text: str, location: list[str]) -> int | None:
    """Line of a key in the YAML text, found by walking the parsed nodes."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = None
    for part in location:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        match = next(((key, value) for key, value in pairs if key.value == part), None)
        if match is None:
            return line
        line, node = match[0].start_mark.line + 1, match[1]
    return line
