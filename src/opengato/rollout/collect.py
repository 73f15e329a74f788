"""Episodes by experts, random actions and functions: of one task, or as the outcomes of a job."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import warnings
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from opengato.core.environment import Family
from opengato.core.episode import Episode
from opengato.envs import find_task
from opengato.rollout.policies import AnyPolicy, as_policy
from opengato.rollout.run import rollout

TRAIN_SEED = 1_000_000
"""Training episodes have seeds from here on; evaluation uses [0, TRAIN_SEED)."""

LONGEST_CAUSE = 300  # characters


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
    if run.dropped:
        lost = f"{len(run.dropped)} of {episodes} episodes"
        warnings.warn(f"the expert of {task_id!r} gave up {lost}: they are missing", stacklevel=2)


@dataclass(frozen=True, kw_only=True, slots=True)
class CollectJob:
    """Episodes to collect of one task. `policy` must be picklable: a name, or a function at the top of a module.

    `only_success` leaves out the episodes whose success is False (not those of tasks that define none), `min_return`
    those whose return is lower.
    """

    task: str
    episodes: int
    policy: AnyPolicy = "expert"
    seed: int = TRAIN_SEED
    noise: tuple[float, ...] = (0.0,)
    only_success: bool = False
    max_steps: int | None = None
    min_return: float | None = None

    def keeps(self, episode: Episode) -> bool:
        """Whether an episode passes the filters."""
        enough = self.min_return is None or episode.episode_return >= self.min_return
        return enough and not (self.only_success and episode.success is False)

    def __str__(self) -> str:
        return f"{self.task} (policy {self.policy!r}, seeds {self.seed} to {self.seed + self.episodes - 1})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of the episode of a seed: `episode` where it was collected, `cause` where it was lost.

    dropped: the expert could not go on with it; filtered: it did not pass the job's filters; lost: the simulator or its
    process failed; given up: this one and what is left of its job, since too many were lost in a row.
    """

    seed: int
    kind: Literal["collected", "dropped", "filtered", "lost", "given up"]
    episode: Episode | None = None
    cause: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        """The specs of the task stay here: whoever reads the pickle has them, and all its episodes share them."""
        return _unpickled, (self.seed, self.kind, _with_specs(self.episode, known=False), self.cause)


def _unpickled(seed: int, kind: Any, episode: Episode | None, cause: str) -> Outcome:
    return Outcome(seed=seed, kind=kind, episode=_with_specs(episode, known=True), cause=cause)


def _with_specs(episode: Episode | None, *, known: bool) -> Episode | None:
    """An episode with the specs of its task, or with none; other specs than the task's are left as they are."""
    if episode is None:
        return None
    task = _task(episode.task)
    mine, none = (task.observation_specs, task.action_specs), ({}, {})
    if (episode.observation_specs, episode.action_specs) != (none if known else mine):
        return episode
    observation_specs, action_specs = mine if known else none
    return replace(episode, observation_specs=observation_specs, action_specs=action_specs)


_task = functools.cache(find_task)  # it looks at folders, too slow for every episode


def play(job: CollectJob) -> Generator[Outcome]:
    """The outcome of each seed of a job, in order; an error costs the episode that it comes from."""
    seed, end = job.seed, job.seed + job.episodes
    while seed < end:
        policy = as_policy(job.policy)
        run = rollout(job.task, policy, episodes=end - seed, seed=seed, noise=job.noise, max_steps=job.max_steps)
        try:
            for episode in run.settled:
                yield _judged(job, seed, episode)
                seed += 1
        except Exception as error:  # simulators fail in any way
            yield Outcome(seed=seed, kind="lost", cause=f"{type(error).__name__}: {error}"[:LONGEST_CAUSE])
            seed += 1
        finally:
            run.close()


def _judged(job: CollectJob, seed: int, episode: Episode | None) -> Outcome:
    if episode is None:
        return Outcome(seed=seed, kind="dropped")
    if not job.keeps(episode):
        return Outcome(seed=seed, kind="filtered")
    return Outcome(seed=seed, kind="collected", episode=episode)


def digest(episode: Episode) -> bytes:
    """Equal for two episodes of a task that are told, see and do the same, whatever their seeds and rewards."""
    total = hashlib.blake2b(repr((episode.task, episode.instruction)).encode(), digest_size=16)
    for side in (episode.observations, episode.actions):
        for name, values in sorted(side.items()):
            total.update(repr((name, values.dtype.str, values.shape)).encode())
            if values.dtype == object:
                total.update(repr(values.tolist()).encode())
            else:
                total.update(values.tobytes())
    return total.digest()


def lacking(family: Family) -> str | None:
    """What to install before episodes of a family can be collected, or None; loads no simulator that is there."""
    for package in family.packages:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            try:
                family.make(family.tasks()[0].id.partition("/")[2]).close()
            except ImportError as error:  # the family knows how it is installed
                return str(error)
            return f"{family.name} needs the package {package!r}; run: pip install {package}"
    return None
