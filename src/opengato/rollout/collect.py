"""Episodes by experts, random actions and functions: one task at a time, or many jobs on several processes."""

from __future__ import annotations

import multiprocessing
import warnings
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace

from opengato.core.episode import Episode
from opengato.envs import find_task
from opengato.envs.registry import adopt, for_workers
from opengato.rollout.policies import AnyPolicy, as_policy
from opengato.rollout.run import rollout

TRAIN_SEED = 1_000_000
"""Training episodes have seeds from here on; evaluation uses [0, TRAIN_SEED)."""


def collect(
    task_id: str,
    policy: AnyPolicy = "expert",
    episodes: int = 10,
    seed: int = TRAIN_SEED,
    noise: tuple[float, ...] = (0.0,),
) -> Iterator[Episode]:
    """Episodes of a task by `"expert"`, `"random"`, a `Policy`, or a function of the environment's observation.

    Warns at the end if the expert gave up some; those are missing.
    """
    run = rollout(task_id, as_policy(policy), episodes=episodes, seed=seed, noise=noise)
    yield from run
    _warn_dropped(task_id, len(run.dropped), episodes)


@dataclass(frozen=True, kw_only=True, slots=True)
class CollectJob:
    """Episodes to collect of one task. `policy` must be picklable: a name, or a function at the top of a module.

    `only_success` leaves out the episodes whose success is False (not those of tasks that define none).
    """

    task: str
    episodes: int
    policy: AnyPolicy = "expert"
    seed: int = TRAIN_SEED
    noise: tuple[float, ...] = (0.0,)
    only_success: bool = False
    max_steps: int | None = None

    def chunks(self, size: int) -> list[CollectJob]:
        """The same episodes as jobs of at most `size` episodes."""
        starts = range(0, self.episodes, size)
        return [replace(self, episodes=min(size, self.episodes - s), seed=self.seed + s) for s in starts]

    def __str__(self) -> str:
        return f"{self.task} (policy {self.policy!r}, seeds {self.seed} to {self.seed + self.episodes - 1})"


def collect_many(plan: list[CollectJob], workers: int, chunk: int = 50) -> Iterator[list[Episode]]:
    """Run jobs in `workers` processes; yield one list per chunk of a job, in the order of the plan.

    The lists do not depend on `workers`, their episodes not even on `chunk`. A chunk whose process dies is tried once
    more by itself; RuntimeError names the one that dies again, or that raises. Call it from a module whose main part
    is guarded by `if __name__ == "__main__"`: the processes import it.
    """
    for job in plan:
        find_task(job.task)
    jobs = [piece for job in plan for piece in job.chunks(chunk)]
    dropped: Counter[str] = Counter()
    for job, (episodes, num_dropped) in zip(jobs, _ordered(jobs, workers), strict=True):
        dropped[job.task] += num_dropped
        yield episodes
    for task_id, count in dropped.items():
        _warn_dropped(task_id, count, sum(job.episodes for job in plan if job.task == task_id))


def _warn_dropped(task_id: str, dropped: int, episodes: int) -> None:
    if dropped:
        lost = f"{dropped} of {episodes} episodes"
        warnings.warn(f"the expert of {task_id!r} gave up {lost}: they are missing", stacklevel=3)


def _collect_chunk(job: CollectJob) -> tuple[list[Episode], int]:
    run = rollout(
        job.task,
        as_policy(job.policy),
        episodes=job.episodes,
        seed=job.seed,
        noise=job.noise,
        max_steps=job.max_steps,
    )
    episodes = [episode for episode in run if not (job.only_success and episode.success is False)]
    return episodes, len(run.dropped)


def _ordered(jobs: list[CollectJob], workers: int) -> Iterator[tuple[list[Episode], int]]:
    """Results of `_collect_chunk` in order, with a bounded number of chunks under way or waiting to be read."""
    sent = for_workers(job.task for job in jobs)
    waiting, running = deque(jobs), deque[tuple[CollectJob, Future]]()
    pool = _pool(workers, sent)
    try:
        while waiting or running:
            while waiting and len(running) < 4 * workers:
                job = waiting.popleft()
                running.append((job, pool.submit(_collect_chunk, job)))
            job, future = running.popleft()
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                # Nobody says which process died, and all chunks under way are lost: this one again, by itself, the
                # others in a fresh pool.
                pool.shutdown()
                result = _collect_alone(job, sent)
                pool = _pool(workers, sent)
                lost = [isinstance(other.exception(), BrokenProcessPool) for _, other in running]
                running = deque(
                    (other, pool.submit(_collect_chunk, other) if is_lost else done)
                    for (other, done), is_lost in zip(running, lost, strict=True)
                )
            elif error is not None:
                raise RuntimeError(f"collecting {job} failed: {error}") from error
            else:
                result = future.result()
            yield result
    finally:
        pool.shutdown(cancel_futures=True)


def _pool(workers: int, sent: bytes) -> ProcessPoolExecutor:
    """Processes that know the registered tasks in `sent`."""
    # Fresh interpreters: a fork would inherit threads and locks of whatever the caller has loaded (torch, GL).
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=adopt, initargs=(sent,))


def _collect_alone(job: CollectJob, sent: bytes) -> tuple[list[Episode], int]:
    with _pool(1, sent) as pool:
        try:
            return pool.submit(_collect_chunk, job).result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                f"the process that collected {job} died twice (out of memory, or a crash in the simulator); "
                f"run opengato.collect with this task and these seeds to see it"
            ) from error
