"""Processes that play jobs: the contract of a crew of workers, and a crew on this machine."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Literal

from opengato.envs.registry import adopt, for_workers
from opengato.rollout.collect import CollectJob, Outcome, play

Ready = Literal["ready"]
READY: Ready = "ready"
PR_SET_PDEATHSIG = 1  # of prctl(2)
GRACE_SECONDS = 5.0  # a process that was killed, or whose pipe has closed, is gone by then


class WorkerDied(RuntimeError):
    """The process of a worker ended while it played; the text is the cause."""


class Worker(ABC):
    """One process, somewhere, that plays one job at a time. It says READY when it begins, then one outcome a seed."""

    @abstractmethod
    def start(self, job: CollectJob) -> None:
        """Give it a job; it has none."""

    @abstractmethod
    def receive(self) -> Outcome | Ready:
        """The next message; waits for it. WorkerDied if none will come."""

    @abstractmethod
    def kill(self) -> None:
        """End the process at once, whatever it does."""


class Crew(ABC):
    """Where workers come from: `size` at once."""

    size: int

    @abstractmethod
    def hire(self) -> Worker:
        """A fresh process."""

    @abstractmethod
    def wait(self, workers: Sequence[Any], seconds: float) -> list[Worker]:
        """Those of this crew's `workers` that have a message, or have died; at most so long."""


class LocalCrew(Crew):
    """Processes on this machine.

    Call it from a module whose main part is guarded by `if __name__ == "__main__"`: the processes import it.
    """

    def __init__(self, size: int | None = None) -> None:
        self.size = size or os.cpu_count() or 1

    def hire(self) -> Worker:
        return LocalWorker()

    def wait(self, workers: Sequence[LocalWorker], seconds: float) -> list[Worker]:
        speaking = wait([worker.pipe for worker in workers], seconds)
        return [worker for worker in workers if worker.pipe in speaking]


class LocalWorker(Worker):
    """A process of its own, with a pipe to it."""

    def __init__(self) -> None:
        # Fresh interpreters: a fork would inherit threads and locks of whatever the caller has loaded (torch, GL).
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()  # now the pipe ends when the process does

    def start(self, job: CollectJob) -> None:
        registrations = for_workers([job.task])
        try:
            self.pipe.send((job, registrations))
        except OSError:
            return  # it is dead: `receive` says so

    def receive(self) -> Outcome | Ready:
        try:
            return self.pipe.recv()
        except (EOFError, OSError) as error:
            self.process.join(GRACE_SECONDS)
            raise WorkerDied(_death(self.process.exitcode)) from error

    def kill(self) -> None:
        self.process.kill()
        self.process.join(GRACE_SECONDS)
        self.pipe.close()


def _death(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"its process ended with exit code {exit_code}"
    name = signal.Signals(-exit_code).name
    return f"its process was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _serve(pipe: Connection) -> None:
    """What a process does: play what it is given until nobody gives it more."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the caller decides
    os.dup2(2, 1)  # what simulators print must not stand between what a program reads
    try:
        while True:
            job, registrations = pipe.recv()
            adopt(registrations)
            pipe.send(READY)
            for outcome in play(job):
                pipe.send(outcome)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the caller is gone


def die_with_parent() -> None:
    """Let the system end this process when its caller is killed: one that hangs never sees that the pipe is closed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
