"""Environments in other processes, so that simulators run side by side and beside the network.

Worker processes are kept between rollouts: a new one takes a second to start. They end with this process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import signal
from collections.abc import Generator
from multiprocessing.connection import Connection
from typing import Any

from opengato.core.environment import TaskInfo
from opengato.core.policy import Observed, Values
from opengato.envs import family_of
from opengato.envs.registry import adopt, for_workers
from opengato.rollout.seats import Begun, LocalSeats, Seats, Stepped

_idle: list[_Worker] = []


class ProcessSeats(Seats):
    """`count` environments spread over `processes`; number n is in process n % processes.

    Raw observations stay where they are: `Observed.raw` is None here.
    """

    def __init__(self, task: TaskInfo, count: int, processes: int) -> None:
        self._workers = [_idle.pop() if _idle else _Worker() for _ in range(min(count, processes))]
        self._ask("open", dict.fromkeys(range(count), (task, for_workers([task.id]))))

    def env(self, number: int) -> None:
        return None

    def reset(self, seeds: dict[int, int]) -> dict[int, Begun]:
        return self._ask("reset", seeds)

    def step(self, values: dict[int, Values]) -> dict[int, Stepped]:
        return self._ask("step", values)

    def close(self) -> None:
        for worker in self._workers:
            if worker.waiting or not worker.process.is_alive():  # broken off in the middle of a call
                worker.end()
                continue
            worker.send("close", {})
            worker.receive()
            _idle.append(worker)
        self._workers = []

    def _ask(self, call: str, inputs: dict[int, Any]) -> dict[int, Any]:
        """One message to each process that has a part in it, and only then the answers."""
        count = len(self._workers)
        parts: list[dict[int, Any]] = [{} for _ in range(count)]
        for number, value in inputs.items():
            parts[number % count][number // count] = value
        asked = [place for place, part in enumerate(parts) if part]
        for place in asked:
            self._workers[place].send(call, parts[place])
        answers = {place: self._workers[place].receive() for place in asked}
        return {n: answers[n % count][n // count] for n in inputs}


class _Worker:
    """A process that holds environments, and the line to it."""

    def __init__(self) -> None:
        # A fresh interpreter: a fork would inherit threads and locks of whatever is loaded (torch, GL).
        context = multiprocessing.get_context("spawn")
        self.line, far_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(far_end,), daemon=True)
        self.process.start()
        far_end.close()
        self.waiting = False

    def send(self, call: str, part: dict[int, Any]) -> None:
        self.waiting = True
        with self._alive():
            self.line.send((call, part))

    def receive(self) -> dict[int, Any]:
        with self._alive():
            answer = self.line.recv()
        self.waiting = False
        if isinstance(answer, Exception):
            raise answer
        return answer

    @contextlib.contextmanager
    def _alive(self) -> Generator[None]:
        """A broken line as what it means."""
        try:
            yield
        except (EOFError, OSError):
            self.process.join()
            raise RuntimeError(
                f"a process that ran environments died with exit code {self.process.exitcode}; run again without "
                "processes to see where"
            ) from None

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.line.close()


def _serve(line: Connection) -> None:
    """Answer calls until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    seats: LocalSeats | None = None
    while True:
        try:
            call, part = line.recv()
        except EOFError:
            return
        try:
            if call == "open":
                task, registrations = next(iter(part.values()))
                adopt(registrations)
                seats, answer = LocalSeats(family_of(task.id), task, len(part)), dict.fromkeys(part)
            elif call == "close":
                if seats is not None:
                    seats.close()
                seats, answer = None, {}
            else:
                assert seats is not None
                answer = {number: _light(each) for number, each in getattr(seats, call)(part).items()}
        except Exception as error:
            answer = error
        line.send(answer)


def _light(answer: Begun | Stepped) -> Begun | Stepped:
    """Without the raw observation, which would travel beside its values."""
    seen = answer.observed
    return dataclasses.replace(answer, observed=Observed(None, seen.values, seen.reward))
