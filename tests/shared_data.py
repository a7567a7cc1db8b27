"""Public reference data that do not belong into the project: found beside it, or where LAMPION_DATA says."""

import os
from pathlib import Path

import pytest


def shared_data(name: str) -> Path:
    """Path of a reference data set; skips the test that asks for it where it is not."""
    root = Path(os.environ.get("LAMPION_DATA", Path(__file__).parents[2] / "shared" / "data"))
    path = root / name
    if not path.exists():
        pytest.skip(f"{name}: the reference data are not here (set LAMPION_DATA)")
    return path
