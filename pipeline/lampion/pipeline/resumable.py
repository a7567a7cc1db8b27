"""SIGTERM, the end of a queue's time, as an exit code that says: the same command goes on."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def exits_resumable() -> Iterator[None]:
    """Context in which SIGTERM ends the program with code 75 where no training is there to note it."""
    previous = signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(75))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
