"""Several processes at one search or study: the same command again, once per process, stopped together."""

import os
import subprocess
import sys
import time
from pathlib import Path

from lampion.pipeline.lmp import tether
from lampion.training.loop.signals import StopRequest
from lampion.training.loop.train import InterruptedTrainingError

POLL_SECONDS = 0.2
_COMMAND = "from lampion.pipeline.cli.main import main; main()"


class WorkerError(ValueError):
    """A process that ended by itself, with its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run_workers(arguments: list[str], n_processes: int) -> None:
    """Run `lampion ARGUMENTS` in `n_processes` processes that share the cores, and wait for all.

    A signal is passed on, and every process stops at its next step. If this process is killed, the kernel kills them:
    they leave work that the next start continues.

    Raises:
        InterruptedTrainingError: a signal came.
        WorkerError: a process ended with an error, which it has printed.
    """
    with StopRequest() as stop:
        workers = [_start(arguments, n_processes) for _ in range(n_processes)]
        passed_on = False
        while any(worker.poll() is None for worker in workers):
            time.sleep(POLL_SECONDS)
            if stop.received and not passed_on:
                passed_on = True
                for worker in workers:
                    worker.send_signal(stop.received)
    if stop.received:
        raise InterruptedTrainingError("stopped; the same command goes on", stop.received)
    failed = [worker.returncode for worker in workers if worker.returncode]
    if failed:
        code = failed[0] if failed[0] > 0 else 75
        raise WorkerError(f"{len(failed)} of {n_processes} processes ended early; the same command goes on", code)


def _start(arguments: list[str], n_processes: int) -> subprocess.Popen[bytes]:
    """One process, in a group of its own so that Ctrl-C reaches it once, through its parent."""
    cores = len(os.sched_getaffinity(0))
    environment = {"OMP_NUM_THREADS": str(max(1, cores // n_processes)), **os.environ}
    bound = [sys.executable, str(Path(tether.__file__)), str(os.getpid())]
    return subprocess.Popen(
        [*bound, sys.executable, "-c", _COMMAND, *arguments], env=environment, start_new_session=True
    )
