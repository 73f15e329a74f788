"""The one thread that has the model: it takes what is waiting, all actions that are due in one forward pass.

Actions come first: of the texts and other long work under way only one goes on by a piece between two passes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from opengato.agent.policy import AgentPolicy, Trace
from opengato.core.environment import TaskInfo
from opengato.core.episode import ArraySpec, Episode
from opengato.core.policy import Observed, Values
from opengato.serve.refused import Refused

GATHERING = 0.25  # of a pass, at most, is waited for more to share the next one


@dataclass(slots=True)
class Clock:
    """When a job came, when the model took it, when it was done; who shared the last pass with it."""

    came: float = field(default_factory=time.perf_counter)
    taken: float = 0.0
    seconds: float = 0.0
    batch: int = 1

    def timing(self) -> dict[str, float | int]:
        """The timing block of an answer that goes out now."""
        total = time.perf_counter() - self.came
        times = {"queue_ms": self.taken - self.came, "model_ms": self.seconds, "total_ms": total}
        return {**{name: round(1000 * seconds, 3) for name, seconds in times.items()}, "batch": self.batch}


@dataclass(kw_only=True, slots=True)
class Job:
    """Something for the model to do; `result` is what comes of it."""

    clock: Clock = field(default_factory=Clock)
    result: Future[Any] = field(default_factory=Future)


@dataclass(kw_only=True, slots=True)
class Begin(Job):
    """An episode starts in a row, after the steps `past` of it; its result is None."""

    row: int
    task: TaskInfo
    instruction: str
    seed: int = 0
    past: Episode | None = None
    trace: Trace | None = None


@dataclass(kw_only=True, slots=True)
class Act(Job):
    """An observation in a row; its result is the action (`Values`)."""

    row: int
    values: Values
    reward: float = 0.0


@dataclass(kw_only=True, slots=True)
class Leave(Job):
    """A row is free again."""

    row: int


@dataclass(kw_only=True, slots=True)
class Piecewise(Job):
    """Something long, such as a text: `work` goes on by a piece at a time, until it is done or `dropped`."""

    work: Generator[None, None, Any]
    dropped: bool = False


class Engine:
    """Rows of `policy` for episodes, and long work beside them, `max_under_way` pieces of it in turns.

    `on_pass(batch, seconds)` hears of each pass of actions.
    """

    def __init__(
        self, policy: AgentPolicy, max_under_way: int, max_waiting: int, on_pass: Callable[[int, float], None]
    ) -> None:
        self.policy = policy
        self.max_under_way, self.max_waiting = max_under_way, max_waiting
        self._on_pass = on_pass
        self._waiting: deque[Job] = deque()
        self._under_way: deque[Piecewise] = deque()
        self._queued: deque[Piecewise] = deque()
        self._last: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
        self._last_seconds = 0.0
        self._changed = threading.Condition()
        self._closing = self._stopped = False
        self._thread = threading.Thread(target=self._run, name="opengato-model", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether there is anybody to do the work."""
        return self._thread.is_alive()

    @property
    def is_idle(self) -> bool:
        """Whether no long work is under way or waits."""
        return not (self._under_way or self._queued)

    def close(self) -> None:
        """Give up long work; actions go on."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def stop(self) -> None:
        """End the thread after its pass; what still waits is refused."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def submit(self, job: Job) -> Future[Any]:
        """Let a job wait for the model; Refused (503) where too many do."""
        with self._changed:
            if self._stopped or (self._closing and isinstance(job, Piecewise)):
                raise stopping()
            if isinstance(job, Piecewise):
                if len(self._queued) >= self.max_waiting:
                    raise Refused(503, f"{len(self._queued)} requests are waiting already", retry_after=5)
                self._queued.append(job)
            else:
                self._waiting.append(job)
            self._changed.notify()
        return job.result

    def release(self, row: int) -> None:
        """A row is no longer needed; what its episode still waits for is done first."""
        with self._changed:
            if not self._stopped:
                self._waiting.append(Leave(row=row))
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._stopped or self._waiting or self._under_way or self._queued):
                    self._changed.wait()
                if self._waiting and not self._under_way:
                    self._gather()
                if self._stopped:
                    break
                if self._closing:
                    self._give_up(self._under_way, self._queued)
                due, self._waiting = self._waiting, deque()
                while self._queued and len(self._under_way) < self.max_under_way:
                    self._under_way.append(self._queued.popleft())
            self._control(due)
            self._go_on(1 if due else len(self._under_way))
        self._give_up(self._waiting, self._under_way, self._queued)

    def _give_up(self, *lists: deque[Any]) -> None:
        for jobs in lists:
            while jobs:
                _settle(jobs.popleft(), stopping())

    def _gather(self) -> None:
        """Wait for those who acted in the last two passes, for a share of the time that a pass takes.

        Else sessions fall into groups that take turns, each with a pass of its own.
        """
        expected = len(self._last[0] | self._last[1])
        seconds = GATHERING * self._last_seconds
        self._changed.wait_for(lambda: self._stopped or len(self._waiting) >= expected, seconds)

    def _control(self, due: Iterable[Job]) -> None:
        """All that came, in order; actions wait for one another unless their row is needed for something else."""
        acts: dict[int, Act] = {}
        for job in due:
            assert isinstance(job, Begin | Act | Leave)
            if job.row in acts:
                self._act(acts)
                acts = {}
            if isinstance(job, Act):
                acts[job.row] = job
            else:
                self._do(job, self._begin if isinstance(job, Begin) else self._leave)
        self._act(acts)

    def _begin(self, job: Begin) -> None:
        self.policy.begin_after(job.row, job.task, job.instruction, job.past, job.seed, job.trace)

    def _leave(self, job: Leave) -> None:
        self.policy.end(job.row)

    def _do(self, job: Any, work: Callable[[Any], Any]) -> None:
        """A job by itself, whoever waits for it."""
        job.clock.taken = time.perf_counter()
        try:
            result = work(job)
        except Exception as error:  # whatever went wrong is this job's: the thread lives on
            result = error
        job.clock.seconds = time.perf_counter() - job.clock.taken
        _settle(job, result)

    def _act(self, acts: dict[int, Act]) -> None:
        """Actions of all rows: one forward pass for those whose actions have the same fields."""
        if not acts:
            return
        began = time.perf_counter()
        kinds: dict[tuple[tuple[str, ArraySpec], ...], list[Act]] = {}
        for _, job in sorted(acts.items()):  # rows in order are read from the cache as they lie
            job.clock.taken = time.perf_counter()
            try:
                self.policy.look(job.row, Observed(None, job.values, job.reward))
                kinds.setdefault(tuple(self.policy.task(job.row).action_specs.items()), []).append(job)
            except Exception as error:  # an observation that the agent cannot take is not the others' business
                _settle(job, error)
        for jobs in kinds.values():
            begun = time.perf_counter()
            try:
                found = self.policy.decide([job.row for job in jobs])
            except Exception as error:
                failed = RuntimeError("the model failed")  # also where it is a ValueError: no client is to blame
                failed.__cause__ = error
                for job in jobs:
                    self.policy.end(job.row)  # nobody knows how far its cache was written
                    _settle(job, failed)
                continue
            seconds = time.perf_counter() - begun
            self._on_pass(len(jobs), seconds)
            for job, values in zip(jobs, found, strict=True):
                job.clock.taken, job.clock.seconds, job.clock.batch = begun, seconds, len(jobs)
                _settle(job, values)
        self._last = self._last[1], frozenset(acts)
        self._last_seconds = time.perf_counter() - began

    def _go_on(self, count: int) -> None:
        """The next piece of `count` works, in turns."""
        for _ in range(min(count, len(self._under_way))):
            goes_on = not self._under_way[0].dropped and self._piece(self._under_way[0])
            with self._changed:
                if goes_on:
                    self._under_way.rotate(-1)
                else:
                    self._under_way.popleft()

    def _piece(self, job: Piecewise) -> bool:
        """Whether a work goes on."""
        begun = time.perf_counter()
        job.clock.taken = job.clock.taken or begun
        try:
            next(job.work)
            return True
        except StopIteration as end:
            _settle(job, end.value)
        except Exception as error:
            _settle(job, error)
        finally:
            job.clock.seconds += time.perf_counter() - begun
        return False


def stopping() -> Refused:
    """What is said to who comes too late."""
    return Refused(503, "the server is stopping", retry_after=5)


def _settle(job: Job, result: Any) -> None:
    """Hand over a result, or an error, to whoever still waits."""
    if not job.result.set_running_or_notify_cancel():
        return
    if isinstance(result, ValueError):
        result = Refused(400, str(result))
    if isinstance(result, Exception):
        job.result.set_exception(result)
    else:
        job.result.set_result(result)
