"""Which form the model files of a study have: TorchScript, or machine code for this machine's processor."""

from typing import Final

from lampion.deploy.compile import compiler, processor
from lampion.deploy.modelfile import COMPILED
from lampion.deploy.verify import ExportError
from lampion.training.errors import ConfigError

#: what the key `compiled` of a study file means
MEANING: Final = "export for this machine's processor: several times faster in lmp, needs g++"


def file_name(compiled: bool) -> str:
    """Of an exported model."""
    return "model" + (COMPILED if compiled else ".pt")


def machine_of(compiled: bool) -> dict[str, list[str]]:
    """What the file depends on beside the model: on another processor machine code is made anew."""
    return {"processor": processor()} if compiled else {}


def require_compiler(compiled: bool) -> None:
    """Before hours of training, not after.

    Raises:
        ConfigError: models are to be compiled, and nothing here compiles.
    """
    if not compiled:
        return
    try:
        compiler()
    except ExportError as error:
        remedy = "install g++, or say `compiled: false` in a copy of the study"
        raise ConfigError(f"the study's models are to be compiled, and there is no C++ compiler; {remedy}") from error
