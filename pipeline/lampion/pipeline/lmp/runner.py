"""Start the real `lmp` on an input, watch it, stop it cleanly, and write down how it ended."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import util
from pathlib import Path
from signal import Signals
from typing import Any, TextIO

from lampion.pipeline.lmp.ending import Ending, classify_scan
from lampion.pipeline.lmp.environment import lammps_binary, lammps_environment, mpiexec, version
from lampion.pipeline.lmp.log import LogScan
from lampion.pipeline.lmp.process_group import SignalRelay, kill_group
from lampion.pipeline.records import write_json
from lampion.training.files import sha256

LOG, SCREEN, RECORD = "log.lammps", "screen.txt", "run.json"
_POLL_SECONDS = 0.1

Progress = Callable[[int, int | None], None]


class RunError(ValueError):
    """A run that cannot be started as asked."""

    exit_code = 2


@dataclass(frozen=True)
class RunResult:
    """A run that is over: where, how it ended, how long it took, and the signal that asked it to stop, if one did."""

    folder: Path
    ending: Ending
    seconds: float
    interrupted: Signals | None = None

    @property
    def log(self) -> Path:
        """The LAMMPS log."""
        return self.folder / LOG


def run_lammps(
    script: Path | str,
    *,
    folder: Path | str,
    variables: Mapping[str, str | float] | None = None,
    ranks: int = 1,
    threads: int = 1,
    progress: Progress | None = None,
    force: bool = False,
    grace_seconds: float = 10.0,
) -> RunResult:
    """Run `lmp -in script` with `folder` as its working folder, and wait for the end.

    Writes `log.lammps`, `screen.txt` (the same and what MPI and the loader say) and `run.json` into `folder`. Variables
    are given as `-var name value`; a value that names an existing file relative to the caller's folder becomes
    absolute. SIGINT and SIGTERM are passed on, with SIGKILL after `grace_seconds` or at the second signal; if this
    process dies without warning, the kernel kills `lmp`. `progress(step, last_step)` is called as the thermo output
    grows; `last_step` is that of the current run command, None where it has none (a minimisation).

    Raises:
        RunError: no such script, a number of ranks or threads below 1, or an earlier run in the folder and not `force`.
        InstallationError: LAMMPS, or MPI for more than one rank, is not installed.
    """
    script, folder = Path(script).resolve(), Path(folder).resolve()
    _check(script, folder, ranks, threads, force)
    values = {name: _resolved(value) for name, value in (variables or {}).items()}
    command = _command(script, values, ranks)
    record = _record(script, values, ranks, threads, command)
    _clear(folder)
    write_json(folder / RECORD, record)
    start = time.monotonic()
    ending, interrupted = _watched(command, folder, threads, progress, grace_seconds)
    seconds = time.monotonic() - start
    outcome = {"ended": _now(), "seconds": round(seconds, 3), "ending": asdict(ending)}
    write_json(folder / RECORD, record | outcome)
    return RunResult(folder, ending, seconds, interrupted)


def _check(script: Path, folder: Path, ranks: int, threads: int, force: bool) -> None:
    if not script.is_file():
        raise RunError(f"no LAMMPS input at {script}: give the path of an existing file")
    for name, number in (("ranks", ranks), ("threads", threads)):
        if number < 1:
            raise RunError(f"{name} must be 1 or more, got {number}")
    earlier = next((name for name in (RECORD, LOG) if (folder / name).exists()), None)
    if earlier and not force:
        raise RunError(f"{folder} holds an earlier run ({earlier}): choose another folder, or overwrite with --force")


def _clear(folder: Path) -> None:
    """Remove an earlier run's record, so that a start that fails cannot be mistaken for it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (RECORD, LOG, SCREEN):
        (folder / name).unlink(missing_ok=True)


def _resolved(value: str | float) -> str:
    """A variable's text; a path that exists here is made absolute, because `lmp` works in another folder."""
    text = str(value)
    return str(Path(text).resolve()) if not _is_number(text) and Path(text).is_file() else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _command(script: Path, variables: Mapping[str, str], ranks: int) -> list[str]:
    # Commands are echoed to the screen too, because that is what is judged: it is flushed as it grows, where the log of
    # a killed run may be empty; it goes on when the input opens another log; and it holds the errors of every rank.
    flags = ["-echo", "both", "-in", str(script), "-log", LOG]
    for name, value in variables.items():
        flags += ["-var", name, value]
    if ranks == 1:
        return [str(lammps_binary()), *flags]
    return [str(mpiexec()), "-n", str(ranks), *_tether(0), str(lammps_binary()), *flags]


def _tether(parent: int) -> list[str]:
    spec = util.find_spec("lampion.pipeline.lmp.tether")
    return [sys.executable, "-I", "-S", str(spec.origin if spec else ""), str(parent)]


def _record(script: Path, variables: Mapping[str, str], ranks: int, threads: int, command: list[str]) -> dict[str, Any]:
    model = Path(variables["model"]) if "model" in variables else None
    return {
        "input": {"path": str(script), "sha256": sha256(script)},
        "variables": dict(variables),
        "model": {"path": str(model), "sha256": sha256(model)} if model and model.is_file() else None,
        "seed": variables.get("seed"),
        "versions": {name: version(name) for name in ("lampion", "lammps", "torch", "mpich")},
        "ranks": ranks,
        "threads": threads,
        "command": command,
        "started": _now(),
        "ended": None,
        "seconds": None,
        "ending": None,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _watched(
    command: list[str], folder: Path, threads: int, progress: Progress | None, grace_seconds: float
) -> tuple[Ending, Signals | None]:
    """Run the command in a session of its own until it ends, feeding its screen to a scan."""
    scan = LogScan()
    with (folder / SCREEN).open("wb") as screen, (folder / SCREEN).open(encoding="utf-8", errors="replace") as reader:
        with SignalRelay(grace_seconds) as relay:
            process = subprocess.Popen(
                [*_tether(os.getpid()), *command],
                cwd=folder,
                env=lammps_environment(threads),
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                relay.attach(process)
                while _still_running(process):
                    _follow(reader, scan, progress)
                    relay.escalate()
            finally:
                kill_group(process)
        _follow(reader, scan, progress)
    return classify_scan(scan, status=process.returncode, asked=relay.received), relay.received


def _still_running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _follow(reader: TextIO, scan: LogScan, progress: Progress | None) -> None:
    """Read what the run has printed since the last time; tell `progress` if it has moved on."""
    before = scan.last_step
    scan.feed(reader.read())
    if progress and scan.last_step is not None and scan.last_step != before:
        progress(scan.last_step, scan.current.target if scan.current else None)
