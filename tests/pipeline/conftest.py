"""`lampion` in the test's own process, and one small argon study for the whole session."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lampion.pipeline.cli.main import main
from lampion.pipeline.shipped import copy_inputs


@dataclass(frozen=True)
class Outcome:
    """Exit code and what was printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def lampion(monkeypatch, capsys) -> Callable[..., Outcome]:
    """Run the command with the given arguments."""

    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["lampion", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


SMALL_STUDY = {
    "reference": {"frames": 40, "equilibrate": 4000, "every": 50},
    "md": {"dt": 2.0, "steps": 500, "every": 10},
    "timestep_ps": 1.0,
}
SMALL_TRAINING = {
    "model": {"cutoff": 6.0, "channels": 4, "basis": 10, "layers": 2},
    "epochs": 16,
}


@pytest.fixture(scope="session")
def study_file(tmp_path_factory) -> Path:
    """A user's copy of the argon study, made small."""
    folder = tmp_path_factory.mktemp("study")
    copy_inputs("argon", folder)
    for path, changes in (
        (folder / "studies/argon.yaml", SMALL_STUDY),
        (folder / "configs/argon.yaml", SMALL_TRAINING),
    ):
        values = yaml.safe_load(path.read_text())
        for key, value in changes.items():
            values[key] = {**values[key], **value} if isinstance(value, dict) else value
        path.write_text(yaml.safe_dump(values))
    return folder / "studies" / "argon.yaml"
