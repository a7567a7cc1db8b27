"""A run that did not end as it should, as an error."""

from lampion.pipeline.lmp.runner import RunResult


class RunFailedError(ValueError):
    """LAMMPS ran and did not end as it should; the exit code says in which way."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def failed(result: RunResult) -> RunFailedError:
    """What to tell of a run that did not end as it should."""
    ending = result.ending
    where = "" if ending.last_step is None else f" at step {ending.last_step}"
    return RunFailedError(f"{result.folder}: {ending.kind}{where}: {ending.reason}", ending.exit_code)
