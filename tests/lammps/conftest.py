"""The fixture `lmp` runs an input script with the real binary in the test's own folder."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stock_lmp import Finished, binary, environment, launch


@pytest.fixture
def lmp(tmp_path: Path) -> Callable[..., Finished]:
    """`lmp(script)`: run it in the test's folder or in `folder`; it must end well, or badly if not `good`."""

    def run(
        script: str, ranks: int = 1, good: bool = True, env: dict[str, str] | None = None, folder: Path = tmp_path
    ) -> Finished:
        (folder / "in.lmp").write_text(script)
        mpiexec = [str(Path(sys.prefix) / "bin" / "mpiexec"), "-n", str(ranks)] if ranks > 1 else []
        command = [*mpiexec, str(binary()), "-in", "in.lmp", "-log", "none"]
        done = launch(command, folder, environment() | (env or {}))
        assert (done.code == 0) is good, done.output
        return done

    return run
