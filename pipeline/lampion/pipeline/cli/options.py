"""Options that several verbs have."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Restart = Annotated[
    Literal["auto", "never"], typer.Option(help="`auto` continues what was interrupted, `never` does not.")
]


def keep(path: Path, force: bool) -> None:
    """Refuse to overwrite a file unless that is asked for."""
    if path.exists() and not force:
        raise typer.BadParameter(f"{path} exists; overwrite it with --force", param_hint="--out")
