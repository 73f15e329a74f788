"""What a run reports: one live line, a JSONL file, TensorBoard if it is installed."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError:
    SummaryWriter = None


class Silent:
    """Reports nothing: another process does."""

    def add(self, step: int, figures: dict[str, float], positions: int) -> None:
        pass

    def close(self) -> None:
        pass


class Metrics:
    """Averages figures between reports; `clock` is injectable for tests."""

    def __init__(self, folder: Path, steps: int, every: int = 10, clock: Any = time.perf_counter):
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "log.jsonl").open("a")
        self._board = SummaryWriter(str(folder / "tensorboard")) if SummaryWriter else None
        self._steps, self._every, self._clock = steps, every, clock
        self._live = sys.stderr.isatty()
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._since = self._begun = clock()
        self._positions = 0
        self._first: int | None = None

    def add(self, step: int, figures: dict[str, float], positions: int) -> None:
        """Record one finished step (0-based); reports every few steps."""
        if self._first is None:
            self._first = step
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1
        self._positions += positions
        if (step + 1) % self._every == 0 or step + 1 == self._steps:
            self._report(step)

    def _report(self, step: int) -> None:
        now = self._clock()
        elapsed = max(now - self._since, 1e-9)
        row = {name: self._sums[name] / self._counts[name] for name in self._sums}
        row["tokens_per_second"] = self._positions / elapsed
        row["data_wait"] = self._sums.get("data_seconds", 0.0) / elapsed
        done = step + 1 - (self._first or 0)
        row["eta_seconds"] = (now - self._begun) / done * (self._steps - step - 1)
        self.write(step + 1, row)
        self._show(step + 1, row)
        self._sums.clear()
        self._counts.clear()
        self._since, self._positions = now, 0

    def write(self, step: int, row: dict[str, float]) -> None:
        """One line of JSON, and the same to TensorBoard."""
        self._file.write(json.dumps({"step": step, **{k: round(v, 6) for k, v in row.items()}}) + "\n")
        self._file.flush()
        if self._board:
            for name, value in row.items():
                self._board.add_scalar(name, value, step)

    def _show(self, step: int, row: dict[str, float]) -> None:
        losses = " ".join(f"{n.removeprefix('loss/')} {v:.3f}" for n, v in row.items() if n.startswith("loss/"))
        shares = " ".join(f"{n.removeprefix('share/')} {v:.0%}" for n, v in row.items() if n.startswith("share/"))
        minutes = row["eta_seconds"] / 60
        line = (
            f"step {step}/{self._steps} | {losses} | {row['tokens_per_second']:.0f} tok/s | {shares} | "
            f"data wait {row['data_wait']:.0%} | ETA {minutes:.1f} min"
        )
        # A terminal gets one line that is rewritten; a file gets a line now and then.
        if self._live:
            print(f"\r\x1b[2K{line}", end="" if step < self._steps else "\n", file=sys.stderr, flush=True)
        elif step % (10 * self._every) == 0 or step == self._steps:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        self._file.close()
        if self._board:
            self._board.close()
