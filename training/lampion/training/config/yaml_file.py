"""YAML files of keys and values, checked against typed models; what is wrong with one becomes one sentence."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lampion.training.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)

#: the members of a union that pydantic tried, which it appends to the keys
_TRIED = re.compile(r"bool|int|float|str|Range|(tuple|dict|list)\[.*")


def read_mapping(path: Path, example: str, files: Sequence[str] = ()) -> dict[str, Any]:
    """Content of a file; none of an empty one.

    Args:
        example: what is expected in it, such as "`data:` and `model:`".
        files: keys whose values are names of files, which count from the folder of this one.

    Raises:
        ConfigError: it cannot be read, is no YAML, or holds something else than keys and values.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line}: not valid YAML: {error.problem}") from None
    except (UnicodeDecodeError, yaml.YAMLError):
        raise ConfigError(f"{path}: not valid YAML: it is no text in UTF-8") from None
    if not isinstance(values, dict | None):
        raise ConfigError(f"{path}: expected keys such as {example}")
    values = values or {}
    return values | {key: path.parent / values[key] for key in files if isinstance(values.get(key), str)}


def validated(kind: type[Model], values: Mapping[str, Any], origin: str, missing: str = "") -> Model:
    """The values as a model.

    Args:
        origin: what the message begins with. missing: what it ends with if key {} is missing.

    Raises:
        ConfigError: key and message of the first problem.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problem = first_problem(error)
        key = ".".join(map(str, problem["loc"]))
        hint = missing.format(key) if problem["type"] == "missing" else ""
        message = problem["ctx"]["error"] if problem["type"] == "value_error" else problem["msg"]
        raise ConfigError(": ".join(filter(None, (origin, key, f"{message}{hint}")))) from None


def first_problem(error: ValidationError) -> ErrorDetails:
    """The first problem with its keys, an unknown key before one that is missing, which it may be meant for."""
    problem = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    problem["loc"] = tuple(part for part in problem["loc"] if not _TRIED.fullmatch(str(part)))
    return problem
