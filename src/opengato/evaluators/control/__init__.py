"""Control: roll out episodes on held-out seeds and hold the return against random and the expert."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opengato.core.environment import TaskInfo
from opengato.envs import all_tasks, families, find_task, jat
from opengato.evaluators import contract
from opengato.evaluators.acting import Player, demonstration, policy_of
from opengato.evaluators.report import NORMALISED, TaskResult
from opengato.evaluators.statistics import Interval, bootstrap_mean, proportion
from opengato.evaluators.tables import OF_HUMAN, RAW
from opengato.rollout import TRAIN_SEED, rollout


class Evaluator(contract.Evaluator):
    """Score = (mean return - random) / (expert - random), with a bootstrap interval over episodes.

    Random and expert are the measured means of the family's `scores.json`, or those of JAT where the settings ask for
    them, and count as exact; where one of them is not known, the mean return itself is reported. Success is that of any
    step of the episode, with Wilson's interval.
    """

    counted = "return"

    def families(self) -> list[str]:
        return families()

    def tasks(self, family: str) -> list[str]:
        return [task.id for task in all_tasks(family)]

    def unfit(self, task_id: str, settings: contract.Settings | None = None) -> str | None:
        try:
            task = anchored(task_id, settings or contract.Settings())
            if is_anchored(task):
                task.normalise(0.0)
        except ValueError as error:
            return str(error)
        return None

    def num_samples(self, task_id: str, settings: contract.Settings) -> int:
        return settings.episodes

    def measure(self, agent: Player, task_id: str, settings: contract.Settings) -> Iterator[tuple[str, float]]:
        """`return`, `length` (steps) and, where defined, `success` (0 or 1) of each episode, in order of its seed."""
        if settings.episodes < 1 or settings.seed < 0 or settings.seed + settings.episodes > TRAIN_SEED:
            raise ValueError(
                f"received episodes={settings.episodes}, seed={settings.seed}; expected at least one episode and seeds "
                f"in [0, {TRAIN_SEED}): from there on they are for training"
            )
        shown = demonstration(task_id) if settings.prompted else None
        policy = policy_of(agent, settings.temperature, settings.limits, settings.num_envs, shown)
        run = rollout(
            task_id,
            policy,
            episodes=settings.episodes,
            seed=settings.seed,
            num_envs=settings.num_envs,
            processes=0 if policy.looks_inside else settings.processes,
        )
        for episode in run:
            yield "return", episode.episode_return
            yield "length", float(episode.num_steps)
            if episode.success is not None:
                yield "success", float(episode.success)

    def summarise(self, task_id: str, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
        """The score of the episodes; ValueError if there is none, since every one was given up."""
        task = anchored(task_id, settings)
        return score(task, samples, settings) if is_anchored(task) else raw(task, samples, settings)


def anchored(task_id: str, settings: contract.Settings) -> TaskInfo:
    """The task with the anchors that the settings ask for; ValueError where JAT has none that fit."""
    task = find_task(task_id)
    return jat.anchored(task) if settings.anchors == "jat" else task


def is_anchored(task: TaskInfo) -> bool:
    """Whether it is known what random actions and an expert reach, so that a return can be held against them."""
    return task.random_score is not None and task.expert_score is not None


def raw(task: TaskInfo, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
    """The result of a task that lacks an anchor: its mean return."""
    figures, notes = describe(task, samples, settings)
    anchors = {"random": task.random_score, "expert": task.expert_score}
    return TaskResult(
        task=task.id,
        metric=RAW,
        score=figures["return"],
        figures=figures,
        references={name: known.mean for name, known in anchors.items() if known is not None},
        samples={name: tuple(values) for name, values in samples.items()},
        num_samples=len(samples["return"]),
        seed=settings.seed,
        notes=notes,
    )


def describe(
    task: TaskInfo, samples: contract.Samples, settings: contract.Settings
) -> tuple[dict[str, Interval], dict[str, str]]:
    """Return, length and success of a task's episodes, and what is to be said of them; ValueError if there are none."""
    returns = samples.get("return", ())
    if not returns:
        raise ValueError(f"task {task.id!r}: 0 episodes finished, expected at least one; the policy gave up all")
    rng = np.random.default_rng(settings.seed)
    figures = {
        "return": bootstrap_mean(returns, rng),
        "return std": Interval(value=float(np.std(returns))),
        "length": bootstrap_mean(samples["length"], rng),
    }
    if "success" in samples:
        figures["success"] = proportion(int(sum(samples["success"])), len(samples["success"]))
    notes = {"expert": task.expert or "unnamed"}
    if len(returns) < settings.episodes:
        notes["given up"] = f"{settings.episodes - len(returns)} of {settings.episodes} episodes, by the policy itself"
    return figures, notes


def score(task: TaskInfo, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
    """The result of a task with known anchors, from the returns, lengths and successes of its episodes."""
    figures, notes = describe(task, samples, settings)
    assert task.random_score is not None
    assert task.expert_score is not None
    random, expert = task.random_score.mean, task.expert_score.mean
    returns, mean = samples["return"], figures["return"]
    references = {"random": random, "expert": expert}
    if task.human_score is not None and task.human_score > random:
        references["human"] = task.human_score
        figures[OF_HUMAN] = mean.scaled(random, task.human_score - random)
    return TaskResult(
        task=task.id,
        metric=NORMALISED,
        score=mean.scaled(random, expert - random),
        figures=figures,
        references=references,
        samples={**{name: tuple(values) for name, values in samples.items()}}
        | {"score": tuple(task.normalise(value) for value in returns)},
        num_samples=len(returns),
        seed=settings.seed,
        notes=notes,
    )
