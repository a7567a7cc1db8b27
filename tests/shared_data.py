"""Public data sets that tests use where they are at hand."""

import os
from pathlib import Path

import pytest


def shared_data(name: str) -> Path:
    """Path of a reference data file or folder; skips the test where it is not at hand."""
    root = Path(os.environ.get("LAMPION_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (root / name).exists():
        pytest.skip(f"{name}: the reference data are not here (set LAMPION_DATA)")
    return root / name
