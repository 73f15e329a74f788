"""Long work that ends where it may: after a step, between two episodes."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class StopRequest:
    """Turns SIGTERM and SIGINT into a request that is honoured where the work may end; only the main thread can."""

    def __enter__(self) -> StopRequest:
        self.requested = 0  # the number of the signal
        self._old: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            self._old = {number: signal.signal(number, self._ask) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def honour(self) -> None:
        """Raise SystemExit(128 + signal) if there was one."""
        if self.requested:
            raise SystemExit(128 + self.requested)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.requested:  # a second request does not wait
            raise KeyboardInterrupt
        self.requested = number

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
