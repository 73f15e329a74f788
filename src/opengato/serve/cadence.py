"""How steadily a session got its actions, and how fast a client may ask."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import numpy as np

REMEMBERED = 10_000  # steps that percentiles are of: a session may last for days


class Cadence:
    """Seconds from a request's last byte to its answer, step by step."""

    def __init__(self) -> None:
        self.steps = self.missed = 0
        self.worst = 0.0
        self._last: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, seconds: float, period_ms: float | None) -> bool:
        """A step took so long; whether it was later than its period."""
        late = period_ms is not None and 1000 * seconds > period_ms
        self.steps += 1
        self.missed += late
        self.worst = max(self.worst, seconds)
        self._last.append(seconds)
        return late

    def report(self) -> dict[str, Any]:
        """Milliseconds; percentiles are of the last 10,000 steps. None where there was no step."""
        p50, p99 = (1000 * np.percentile(self._last, (50, 99))).round(3).tolist() if self._last else (None, None)
        worst = round(1000 * self.worst, 3) if self._last else None
        return {"steps": self.steps, "p50_ms": p50, "p99_ms": p99, "worst_ms": worst, "missed": self.missed}


class Allowance:
    """A bucket of tokens: `rate` a second, twice as many at once; a rate of 0 allows anything."""

    def __init__(self, rate: float) -> None:
        self.rate, self.full = rate, max(2 * rate, 1.0)
        self._left, self._seen = self.full, time.monotonic()

    def take(self) -> float:
        """0 where one more is allowed, else the seconds to wait."""
        if self.rate <= 0:
            return 0.0
        now = time.monotonic()
        self._left, self._seen = min(self.full, self._left + (now - self._seen) * self.rate), now
        if self._left < 1:
            return (1 - self._left) / self.rate
        self._left -= 1
        return 0.0

    @property
    def is_full(self) -> bool:
        """Whether it remembers nothing that matters."""
        return time.monotonic() - self._seen > self.full / max(self.rate, 1e-9)
