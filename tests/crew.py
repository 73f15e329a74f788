"""A crew without processes, whose workers do what a script says in an order drawn by a generator; and real trouble."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence

import gymnasium
import numpy as np

from opengato.core.environment import TaskInfo
from opengato.core.episode import Episode
from opengato.rollout import CollectJob, Crew, Outcome, RandomPolicy
from opengato.rollout.workers import READY, Ready, Worker, WorkerDied
from tests.data.fakes import grid_episode

Script = Callable[[CollectJob, int], Outcome | str]
DIE, HANG = "die", "hang"


def episode_of(job: CollectJob, seed: int) -> Episode:
    """An episode that differs from seed to seed and from task to task."""
    return grid_episode(seed, steps=2 + seed % 3, task=job.task)


def collected(job: CollectJob, seed: int) -> Outcome:
    return Outcome(seed=seed, kind="collected", episode=episode_of(job, seed))


class ScriptedCrew(Crew):
    """`played` counts how often a worker was asked for each (task, seed)."""

    def __init__(self, size: int, script: Script = collected, seed: int = 0) -> None:
        self.size, self.script = size, script
        self.generator = np.random.default_rng(seed)
        self.workers: list[ScriptedWorker] = []
        self.played: Counter[tuple[str, int]] = Counter()

    def hire(self) -> Worker:
        self.workers.append(ScriptedWorker(self))
        assert sum(not worker.dead for worker in self.workers) <= self.size
        return self.workers[-1]

    def wait(self, workers: Sequence[ScriptedWorker], seconds: float) -> list[Worker]:
        able = [worker for worker in workers if not worker.hangs]
        if not able:
            time.sleep(min(seconds, 0.01))
            return []
        if seconds == 0:
            return list(able)
        order = self.generator.permutation(len(able))
        return [able[i] for i in order[: self.generator.integers(1, len(able) + 1)]]


class ScriptedWorker(Worker):
    def __init__(self, crew: ScriptedCrew) -> None:
        self.crew = crew
        self.jobs: list[CollectJob] = []
        self.dead = self.hangs = False

    def start(self, job: CollectJob) -> None:
        self.jobs.append(job)
        self.messages = self._play(job)

    def receive(self) -> Outcome | Ready:
        assert not self.dead
        return next(self.messages)

    def kill(self) -> None:
        self.dead = True

    def _play(self, job: CollectJob) -> Generator[Outcome | Ready]:
        yield READY
        for seed in range(job.seed, job.seed + job.episodes):
            self.crew.played[job.task, seed] += 1
            answer = self.crew.script(job, seed)
            if answer == DIE:
                raise WorkerDied("it burnt")
            if isinstance(answer, str):
                self.hangs = True
                yield READY  # the last that is heard of it
            else:
                yield answer


class Trouble(RandomPolicy):
    """Each kind of trouble at a seed of its own."""

    def begin(self, slot: int, task: TaskInfo, instruction: str, env: gymnasium.Env | None, seed: int) -> None:
        if seed == 1:
            ctypes.PyDLL(None).sleep(600)  # does not give up the GIL: no thread of this process can do anything
        if seed == 3:
            os._exit(3)
        if seed == 4:
            os.kill(os.getpid(), signal.SIGSEGV)
        if seed == 6:
            raise ZeroDivisionError("no luck")
        if seed == 7:
            print("what simulators print")
        super().begin(slot, task, instruction, env, seed)
