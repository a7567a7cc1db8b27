"""Which files a study is made of: shipped ones, or a user's edited copies."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from lampion.pipeline.shipped import shipped_path
from lampion.pipeline.study.model_form import MEANING
from lampion.training.config.yaml_file import read_mapping, validated
from lampion.training.errors import ConfigError


class StudyConfig(BaseModel):
    """Content of a study file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str = Field(description="folder of lammps_inputs and name of the training config")
    title: str = Field(description="heading of the report")
    compiled: bool = Field(False, description=MEANING)
    ranks: int = Field(1, ge=1, description="MPI processes of the learned runs")
    reference: dict[str, int | float | str] = Field(default_factory=dict, description="variables of reference.in")
    md: dict[str, int | float | str] = Field(default_factory=dict, description="variables of md.in and md-reference.in")
    timesteps: list[float] = Field(default_factory=list, description="time steps for the dt² law, fs")
    timestep_ps: float = Field(2.0, gt=0, description="length of each of these runs, ps")


@dataclass(frozen=True)
class StudyFiles:
    """Everything a study reads.

    Attributes:
        config: content of the study file.
        inputs: folder with reference.in, md.in, md-reference.in.
        training: training configuration.
        overrides: `key=value` texts that replace values of the training configuration.
    """

    config: StudyConfig
    inputs: Path
    training: Path
    overrides: tuple[str, ...] = ()

    @property
    def start(self) -> str:
        """Name of the data file in which reference.in leaves the start of the dynamics."""
        return f"{self.config.system}.data"


def find_study(name: str, overrides: list[str] | None = None) -> StudyFiles:
    """Files of a shipped study (`argon`), or of a study file beside `lammps_inputs/` and `configs/`.

    Raises:
        ConfigError: the study file is missing or wrong, or a file it needs is not there.
        ShippedFileError: no such shipped study.
    """
    if name.endswith((".yaml", ".yml")):
        path, root = Path(name).resolve(), Path(name).resolve().parent.parent
        config = _load(path)
        inputs, training = root / "lammps_inputs" / config.system, root / "configs" / f"{config.system}.yaml"
    else:
        config = _load(shipped_path(f"studies/{name}.yaml"))
        inputs, training = shipped_path(f"lammps_inputs/{config.system}"), shipped_path(f"configs/{config.system}.yaml")
    for needed in (inputs, training):
        if not needed.exists():
            raise ConfigError(
                f"study {name}: needs {needed}; copy the shipped files with `lampion inputs {config.system}`"
            )
    return StudyFiles(config, inputs, training, tuple(overrides or ()))


def _load(path: Path) -> StudyConfig:
    if not path.exists():
        raise ConfigError(
            f"{path}: no such study file; shipped studies are named without a suffix: lampion study argon"
        )
    return validated(StudyConfig, read_mapping(path, "`system:` and `title:`"), str(path))
