"""Trainings in processes of their own, to be killed, starved or joined; what is not a test function of `test_*.py`.

The processes are forked from a server that has torch loaded, so that one starts in milliseconds.
"""

import multiprocessing
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from lampion.training.config.training import load_config
from lampion.training.loop.train import Training

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["children"])

Sabotage = tuple[str, float]


def train_until(folder: Path, sabotage: Sabotage | None = None, rank: tuple[int, int, int] | None = None) -> None:
    """What the command does with `folder`/config.yaml; the sentence it would print goes to `folder`/said."""
    torch.set_num_threads(1)
    said = (folder / f"said-{rank[0] if rank else 0}").open("w")
    try:
        if rank:
            _join(*rank)
        training = Training(load_config(folder / "config.yaml"), folder / "train")
        if sabotage:
            name, amount = sabotage
            _SABOTAGE[name](training, amount)
        training.run(restart=True)
    except Exception as error:
        _limit_files(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
        print(f"{type(error).__name__}: {error}", file=said, flush=True)
        sys.exit(getattr(error, "exit_code", 1))


def start(folder: Path, sabotage: Sabotage | None = None, rank: tuple[int, int, int] | None = None):
    """Start it in a process."""
    process = _context.Process(target=train_until, args=(folder, sabotage, rank))
    process.start()
    return process


def finish(process, timeout: float = 240.0) -> int:
    """Exit code, negative for a signal."""
    process.join(timeout)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError(f"the process did not end within {timeout} s")
    return process.exitcode


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _join(rank: int, size: int, port: int) -> None:
    """The environment that `torchrun` gives to each process."""
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in names.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RUN_ID": "test"}


def _kill_after_cpu_seconds(_training: Training, seconds: float) -> None:
    """Killed by the kernel wherever it is: nothing handles SIGPROF."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _kill_at_file_operation(training: Training, count: float) -> None:
    """SIGKILL right before the given open, rename or removal of a file of the training."""
    left = [int(count)]

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("open", "os.rename", "os.remove") and str(training.folder) in str(arguments[0]):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def _kill_inside_write(_training: Training, size: float) -> None:
    """Killed by the kernel in the middle of the first write that takes a file beyond `size` bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    _limit_files(int(size))


def _full_disk_after_checkpoints(training: Training, count: float) -> None:
    """No file may grow beyond 100 bytes once so many checkpoints are written: writes fail as on a full disk."""
    save, left = training._save, [int(count)]

    def limited() -> None:
        save()
        left[0] -= 1
        if left[0] == 0:
            _limit_files(100)

    training._save = limited  # type: ignore[method-assign]


def _read_only_folder(training: Training, _amount: float) -> None:
    """An ordinary user in a folder that belongs to somebody else."""
    training.folder.mkdir(exist_ok=True)
    training.folder.chmod(0o555)
    if os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)


def _signal_after_steps(training: Training, steps: float) -> None:
    _after_steps(training, steps, lambda: os.kill(os.getpid(), signal.SIGTERM))


def _die_after_steps(training: Training, steps: float) -> None:
    _after_steps(training, steps, lambda: os.kill(os.getpid(), signal.SIGKILL))


def _after_steps(training: Training, steps: float, action: Callable[[], None]) -> None:
    train_step = training._train_step

    def watched() -> None:
        if training.step == int(steps):
            action()
        train_step()

    training._train_step = watched  # type: ignore[method-assign]


def _limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


_SABOTAGE = {
    "killed after cpu seconds": _kill_after_cpu_seconds,
    "killed at file operation": _kill_at_file_operation,
    "killed inside write": _kill_inside_write,
    "full disk": _full_disk_after_checkpoints,
    "read-only": _read_only_folder,
    "SIGTERM after steps": _signal_after_steps,
    "dies after steps": _die_after_steps,
}
