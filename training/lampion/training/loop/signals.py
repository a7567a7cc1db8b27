"""SIGTERM and Ctrl-C as a request that the loop honours between two steps."""

import signal
from types import FrameType, TracebackType
from typing import Any


class InterruptedTrainingError(Exception):
    """Training stopped on a signal after writing a checkpoint; resume with `--restart auto`.

    Exit code 75 after SIGTERM, which a queue sends, 130 after Ctrl-C.
    """

    def __init__(self, message: str, received: signal.Signals) -> None:
        super().__init__(message)
        self.exit_code = 130 if received == signal.SIGINT else 75


class StopRequest:
    """Context in which the first SIGTERM or SIGINT is noted in `received`; a second one acts as usual."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._request)
        return self

    def _request(self, number: int, _frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        signal.signal(number, self._previous[number])

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
