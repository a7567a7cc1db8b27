"""What the questions share: how long to measure, what the user has given, programs run, files made once and kept."""

import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Protocol, TypeVar

import torch
from matplotlib.figure import Figure

import lampion.deploy
import lampion.training

T = TypeVar("T")
#: answer to a question
Record = dict[str, Any]


@dataclass(frozen=True)
class Workshop:
    """Settings of one run of the suite.

    Attributes:
        cache: folder of what is made once: reference data, trained networks, compiled models.
        quick: smaller systems and shorter trainings, to try the suite itself.
        seconds: length of a measurement, about.
        rounds: measurements of each figure, in turns with those it is compared with.
        checkpoint: of a molecule, for the question of many molecules.
        molecule: its geometry, a file that ASE reads.
        frames: folder of `lampion data split`, for the question of training.
    """

    cache: Path
    quick: bool = False
    seconds: float = 4.0
    rounds: int = 3
    checkpoint: Path | None = None
    molecule: Path | None = None
    frames: Path | None = None

    def kept(self, name: str, content: str, make: Callable[[Path], object]) -> Path:
        """A file or folder that `make(path)` writes if it is not there yet.

        Args:
            name: of the file, with its suffix.
            content: all that decides what is in it; a file made from something else is made anew.
            make: writes it.
        """
        key = hashlib.sha256(content.encode()).hexdigest()[:12]
        path, complete = self.cache / key / name, self.cache / key / "complete"
        if not complete.exists():
            shutil.rmtree(path.parent, ignore_errors=True)  # of a run that was interrupted
            path.parent.mkdir(parents=True)
            start = time.monotonic()
            print(f"making {name} ...", flush=True)
            make(path)
            complete.touch()
            print(f"made {name} in {time.monotonic() - start:.0f} s: {path}", flush=True)
        return path


class Question(Protocol):
    """A module or an object that answers one question.

    It may also have `missing(shop)`, what the user or the system lacks for it, and `TIMED`, how it was timed.
    """

    @property
    def TITLE(self) -> str:  # noqa: N802 - a constant of most
        """Heading of its picture."""

    def prepare(self, shop: Workshop) -> None:
        """Make what is kept: trainings, compilations."""

    def measure(self, shop: Workshop) -> Record:
        """The answer."""

    def table(self, record: Record) -> list[str]:
        """Lines of the page."""

    def figure(self, record: Record) -> Figure:
        """The picture beside it."""


def code_of_export() -> str:
    """Fingerprint of what turns a network into a model file: sources of two rooms, and torch."""
    folders = [Path(folder) for room in (lampion.training, lampion.deploy) for folder in room.__path__]
    sources = sorted(path for folder in folders for kind in ("*.py", "*.h") for path in folder.rglob(kind))
    digest = hashlib.sha256(torch.__version__.encode())
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def in_turns(jobs: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """What each job returns, `rounds` times; all jobs once before any goes again, so that all see the same minutes."""
    found: dict[str, list[T]] = {name: [] for name in jobs}
    for turn in range(rounds):
        for name, job in jobs.items():
            found[name].append(job())
            print(f"  {turn + 1}/{rounds} {name}: {found[name][-1]}", flush=True)
    return found


def middle(speeds: list[float]) -> dict[str, Any]:
    """Median of repeated measurements, with all of them."""
    return {"speed": median(speeds), "speeds": [float(f"{speed:.5g}") for speed in speeds]}


def output_of(command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> str:
    """All that another program prints; a failure ends the suite with the end of it."""
    done = subprocess.run(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with code {done.returncode}:\n{done.stdout[-1500:]}")
    return done.stdout
