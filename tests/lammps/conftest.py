"""The fixture `lmp` runs an input script with the real binary in the test's own folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stock_lmp import Finished, command, environment, launch
from twins import TWINS


@pytest.fixture
def lmp(tmp_path: Path) -> Callable[..., Finished]:
    """`lmp(script)`: run it in the test's folder or in `folder`; it must end well, or badly if not `good`."""

    def run(
        script: str, ranks: int = 1, good: bool = True, env: dict[str, str] | None = None, folder: Path = tmp_path
    ) -> Finished:
        (folder / "in.lmp").write_text(script)
        done = launch(command(ranks), folder, environment() | (env or {}))
        assert (done.code == 0) is good, done.output
        return done

    return run


@pytest.fixture(scope="session")
def twin_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model files of the native pair styles' twins."""
    folder = tmp_path_factory.mktemp("twins")
    for twin in TWINS.values():
        twin.write(folder)
    return folder
