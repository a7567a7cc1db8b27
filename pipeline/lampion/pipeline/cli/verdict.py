"""The verdict on a run as a table, and the exit code it means."""

import sys
from typing import Any

import typer
from rich.console import Console
from rich.table import Table


def exit_by(analysis: dict[str, Any]) -> None:
    """Exit code 4 if a criterion is not met; everything has been written by then."""
    if not analysis["passed"]:
        raise typer.Exit(4)


def print_verdict(analysis: dict[str, Any]) -> None:
    """The criteria of `lampion analyze` with their figures."""
    from lampion.analysis import verdict_table

    table = Table("", "unit", "learned", "reference", "criterion", "verdict")
    for row in verdict_table(analysis):
        verdict = {True: "[green]pass[/]", False: "[red]FAIL[/]", None: ""}[row.passed]
        table.add_row(row.name, row.unit, row.learned, row.reference, row.criterion, verdict)
    wide = None if sys.stdout.isatty() else 130
    Console(width=wide).print(table)
