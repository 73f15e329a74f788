"""A crew on the machines of a Ray cluster (extra `ray`): the same workers, each an actor with a core of its own."""

from __future__ import annotations

import importlib
import os
from collections.abc import Generator, Sequence
from typing import Any

from opengato.envs.registry import adopt, for_workers
from opengato.rollout.collect import CollectJob, Outcome, play
from opengato.rollout.workers import READY, Crew, Ready, Worker, WorkerDied


class RayCrew(Crew):
    """Actors of the cluster at `RAY_ADDRESS`, of one that this machine has joined, or of a new one on this machine.

    `size` is one for each processor of the cluster unless given. Each machine needs this package and the simulators.
    ImportError without Ray.
    """

    def __init__(self, size: int | None = None) -> None:
        # Ray tells its makers how it is used, unless it is told not to.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            self.ray: Any = importlib.import_module("ray")
        except ModuleNotFoundError as error:
            raise ImportError("several machines need the package 'ray'; run: pip install 'opengato[ray]'") from error
        if not self.ray.is_initialized():
            # What simulators print must not stand between what a program reads.
            self.ray.init(log_to_driver=False, logging_level="ERROR", include_dashboard=False)
        self.size = size or int(self.ray.cluster_resources().get("CPU", 1))
        self._actor: Any = self.ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Player)

    def hire(self) -> Worker:
        return RayWorker(self.ray, self._actor.remote())

    def wait(self, workers: Sequence[RayWorker], seconds: float) -> list[Worker]:
        by_answers = {worker.answers: worker for worker in workers}
        ready, _ = self.ray.wait(list(by_answers), num_returns=len(by_answers), timeout=0)
        if not ready:
            ready, _ = self.ray.wait(list(by_answers), timeout=seconds)
        return [by_answers[answers] for answers in ready]


class RayWorker(Worker):
    """An actor, and the messages of the job that it has."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self.ray, self.actor = ray, actor
        self.answers: Any = None

    def start(self, job: CollectJob) -> None:
        self.answers = self.actor.play.remote(job, for_workers([job.task]))

    def receive(self) -> Outcome | Ready:
        try:
            return self.ray.get(next(self.answers))
        except self.ray.exceptions.RayError as error:
            why = str(error).partition("\n")[0]
            raise WorkerDied(f"its process ended: {why}") from error

    def kill(self) -> None:
        self.ray.kill(self.actor)


class _Player:
    """What an actor does."""

    def play(self, job: CollectJob, registrations: bytes) -> Generator[Outcome | Ready]:
        adopt(registrations)
        yield READY
        yield from play(job)
