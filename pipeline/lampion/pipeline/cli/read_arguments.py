"""The options that say how to read labels, declared once for every verb that reads them."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from lampion.training.labels.read_options import ReadOptions

OPTIONS: dict[str, Any] = {
    "energy_key": Annotated[str | None, typer.Option(help="Name of the energies, with --forces-key.")],
    "forces_key": Annotated[str | None, typer.Option(help="Name of the forces, with --energy-key.")],
    "stress_key": Annotated[str | None, typer.Option(help="Name of the stress, or `none`.")],
    "energy_unit": Annotated[str | None, typer.Option(help="eV, kcal/mol, kJ/mol or Ha; forces are per length.")],
    "length_unit": Annotated[str | None, typer.Option(help="Å, bohr or nm.")],
    "stress_unit": Annotated[str | None, typer.Option(help="eV/Å³, GPa or kbar; default: energy / length³.")],
    "compression_positive": Annotated[
        bool, typer.Option("--compression-positive", help="The stress is written like a pressure (VASP, LAMMPS).")
    ],
    "log": Annotated[Path | None, typer.Option(help="Log of the run that wrote the dump; default: beside it.")],
    "types": Annotated[str | None, typer.Option(help="Elements of types 1, 2, ... if the dump has no element column.")],
    "units": Annotated[str | None, typer.Option(help="LAMMPS units of the dump, if the log does not echo them.")],
}


def reads_labels(verb: Callable[..., None]) -> Callable[..., None]:
    """Replace a verb's parameter `options: ReadOptions` by one command line option per field.

    typer learns a command from its signature, so the signature is what has to be extended.
    """
    defaults = {field.name: field.default for field in fields(ReadOptions)}
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter(name, keyword, default=defaults[name], annotation=annotation)
        for name, annotation in OPTIONS.items()
    ]
    signature = inspect.signature(verb, eval_str=True)
    own = [p.replace(kind=keyword) for p in signature.parameters.values() if p.name != "options"]

    def command(**arguments: Any) -> None:
        options = ReadOptions(**{name: arguments.pop(name) for name in OPTIONS})
        verb(options=options, **arguments)

    command.__name__, command.__doc__ = verb.__name__, verb.__doc__
    command.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in [*own, *added]}
    return command
