"""Progress with the time that is left: a bar on a terminal, one plain line per unit of work elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PLAIN_INTERVAL = 10.0  # seconds between plain lines


class Task:
    """One piece of work that advances from 0 to a total."""

    def __init__(self, label: str) -> None:
        self.label, self.started = label, time.monotonic()
        self.last_line = self.started
        self.first: tuple[float, float] | None = None  # when the first word of it came, and what was done by then

    def update(self, done: float, total: float, detail: str = "") -> None:
        """Say how much is done."""
        now = time.monotonic()
        self.first = self.first or (now, done)
        if now - self.last_line < PLAIN_INTERVAL and done < total:
            return
        self.last_line = now
        left = _left(*self.first, now, done, total)
        print(f"{self.label}: {done:.0f}/{total:.0f} {detail} [{now - self.started:.0f} s{left}]", flush=True)


def _left(since: float, before: float, now: float, done: float, total: float) -> str:
    """Time left at the speed since the first word: what an earlier run did, or a compiler, says nothing of it."""
    return f", {(now - since) * (total - done) / (done - before):.0f} s left" if done > before else ""


class BarTask(Task):
    """The same on a terminal."""

    def __init__(self, label: str, bars: Progress) -> None:
        super().__init__(label)
        self.bars, self.id = bars, bars.add_task(label, total=None, detail="")

    def update(self, done: float, total: float, detail: str = "") -> None:
        """Move the bar."""
        self.bars.update(self.id, completed=done, total=total, detail=detail)


@contextmanager
def task(label: str) -> Iterator[Task]:
    """Show progress of one piece of work while the block runs."""
    if not sys.stderr.isatty():
        print(label, flush=True)
        yield Task(label)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total}"),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield BarTask(label, bars)
