"""Signals for a child that leads a process group: pass them on, insist, and leave nobody behind."""

import os
import signal
import subprocess
import threading
import time
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from types import FrameType, TracebackType
from typing import Any, Self


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of the child's group, and reap the child."""
    _send(process, SIGKILL)
    process.wait()


def _send(process: subprocess.Popen[bytes], number: Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # the whole group is gone, which is what every caller wants


class SignalRelay:
    """While entered, SIGINT and SIGTERM go to the attached child's group instead of ending this process.

    Enter it before the child starts, so that no signal falls between the two. `received` is the first signal; the
    second one, or `escalate` after the grace time, sends SIGKILL. Only the main thread of a Python program may handle
    signals: in another thread this does nothing.
    """

    def __init__(self, grace_seconds: float) -> None:
        self.grace_seconds = grace_seconds
        self.received: Signals | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = float("inf")
        self._previous: dict[Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            # A job started with `nohup` or in the background ignores some signals, and so must this one.
            relayed = [number for number in (SIGINT, SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN]
            self._previous = {number: signal.signal(number, self._handle) for number in relayed}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def attach(self, process: subprocess.Popen[bytes]) -> None:
        """Name the child that gets the signals; one that came before the child did is passed on now."""
        self._process = process
        if self.received is not None:
            _send(process, self.received)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        repeated = self.received is not None
        self.received = self.received or Signals(number)
        self._deadline = min(self._deadline, time.monotonic() + self.grace_seconds)
        if self._process is not None:
            _send(self._process, SIGKILL if repeated else self.received)

    def escalate(self) -> None:
        """Send SIGKILL if the child has outlived the grace time."""
        if self._process is not None and time.monotonic() > self._deadline:
            _send(self._process, SIGKILL)
