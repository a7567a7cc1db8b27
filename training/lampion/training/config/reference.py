"""The manual page of the training configuration, made from the typed models so that it cannot lag behind them."""

import inspect
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lampion.training.config.model import ARCHITECTURES
from lampion.training.config.training import TrainConfig


def reference() -> str:
    """Every key of the configuration with type, default and meaning, as Markdown tables."""
    tables = [_table("Top level", TrainConfig)]
    for name, field in TrainConfig.model_fields.items():
        if name == "model":
            tables += [_table(f"`model`, `architecture: {tag}`", model) for tag, model in ARCHITECTURES.items()]
        elif _is_section(field):
            tables.append(_table(f"`{name}`", field.annotation))
    return "\n".join(tables)


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.default, BaseModel) or (
        isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    )


def _table(heading: str, model: Any) -> str:
    rows = [
        f"## {heading}",
        "",
        inspect.cleandoc(model.__doc__),
        "",
        "| key | type | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, field in model.model_fields.items():
        if not _is_section(field):
            default = "required" if field.is_required() else "none" if field.default is None else field.default
            rows.append(f"| `{name}` | {_type_name(field.annotation)} | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def _type_name(annotation: Any) -> str:
    choices = get_args(annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return ", ".join(choices)
    return str(getattr(annotation, "__name__", annotation)).replace("|", "or").replace("tuple[float, float]", "[a, b]")
