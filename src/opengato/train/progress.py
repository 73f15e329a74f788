"""How a collection goes: a bar for each store in a terminal, a line about it now and then in a log."""

from __future__ import annotations

import datetime
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from opengato.rollout import Outcome

LOG_SECONDS = 60.0  # between two lines about a store


def shown(quiet: bool) -> CollectionProgress:
    """What suits stderr; nothing if `quiet`."""
    console = Console(stderr=True)
    if console.is_terminal and not quiet:
        return Bars(console)
    return Log((lambda _: None) if quiet else _to(console))


def _to(console: Console) -> Callable[[str], None]:
    return lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True)


class CollectionProgress(ABC):
    """Told of what is asked for, of every outcome, and that time passes; a context, as it may draw."""

    def __enter__(self) -> CollectionProgress:
        return self

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @abstractmethod
    def expect(self, folder: Path, total: int, known: int) -> None:
        """A store for `total` episodes, `known` of which are there."""

    @abstractmethod
    def count(self, folder: Path, task: str, outcome: Outcome) -> None:
        """An episode of the store, or a task given up. Its clock begins with the first."""

    @abstractmethod
    def finish(self, folder: Path) -> None:
        """No more comes of this store."""

    @abstractmethod
    def tick(self) -> None:
        """Time has passed; called about once a second."""


@dataclass(slots=True)
class _Store:
    """What is known of one; `begun` is when its first outcome came in this run."""

    total: int
    done: int
    came: int = 0
    lost: int = 0
    begun: float | None = None
    told: float = 0.0

    def line(self, now: float, *, finished: bool) -> str:
        """`120 of 445 episodes, 3.4 episodes/s, ETA 0:01:35, 2 lost`."""
        words = [f"{self.done} of {self.total} episodes"]
        elapsed = 0.0 if self.begun is None else now - self.begun
        # The first outcome starts the clock, so what it took is not known.
        rate = (self.came - 1) / elapsed if elapsed else 0.0
        if rate:
            words.append(f"{rate:.3g} episodes/s")
        if finished:
            words.append(f"finished after {_clock(elapsed)}")
        elif rate:
            words.append(f"ETA {_clock((self.total - self.done) / rate)}")
        if self.lost:
            words.append(f"{self.lost} lost")
        return ", ".join(words)


def _clock(seconds: float) -> datetime.timedelta:
    """95.2 as 0:01:35."""
    return datetime.timedelta(seconds=round(seconds))


class Log(CollectionProgress):
    """Lines without a cursor, for a file: about each store at work every minute, and at its end."""

    def __init__(self, tell: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self.tell, self.now = tell, now
        self.stores: dict[Path, _Store] = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def expect(self, folder: Path, total: int, known: int) -> None:
        self.stores[folder] = _Store(total, known)

    def count(self, folder: Path, task: str, outcome: Outcome) -> None:
        store = self.stores[folder]
        if store.begun is None:
            store.begun = store.told = self.now()
        if outcome.kind == "given up":
            self.tell(f"given up: {task}: {outcome.cause}")
            return
        store.done += 1
        store.came += 1
        store.lost += outcome.kind == "lost"

    def finish(self, folder: Path) -> None:
        store = self.stores.pop(folder)
        if store.begun is not None:
            self.tell(f"{folder.name}: {store.line(self.now(), finished=True)}")

    def tick(self) -> None:
        now = self.now()
        for folder, store in self.stores.items():
            if store.begun is not None and now - store.told >= LOG_SECONDS:
                store.told = now
                self.tell(f"{folder.name}: {store.line(now, finished=False)}")


class Bars(CollectionProgress):
    """A bar for each store, drawn again as it grows."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate())
        times = (TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn(), _Losses())
        self.tell = _to(console)
        self.bars = Progress(*columns, *times, console=console)
        self.ids: dict[Path, TaskID] = {}

    def __enter__(self) -> CollectionProgress:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def expect(self, folder: Path, total: int, known: int) -> None:
        self.ids[folder] = self.bars.add_task(folder.name, total=total, completed=known, start=False, losses=0)

    def count(self, folder: Path, task: str, outcome: Outcome) -> None:
        bar = self.ids[folder]
        if outcome.kind == "given up":
            self.tell(f"given up: {task}: {outcome.cause}")
            return
        self.bars.start_task(bar)
        self.bars.advance(bar)
        if outcome.kind == "lost":
            self.bars.update(bar, losses=self.bars.tasks[bar].fields["losses"] + 1)

    def finish(self, folder: Path) -> None:
        self.bars.stop_task(self.ids[folder])

    def tick(self) -> None:
        pass


class _Rate(ProgressColumn):
    """Episodes a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.3g} episodes/s")


class _Losses(ProgressColumn):
    """Episodes lost, if any."""

    def render(self, task: Task) -> Text:
        losses = task.fields["losses"]
        return Text(f"{losses} lost" if losses else "", style="red")
