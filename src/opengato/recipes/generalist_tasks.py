"""The control tasks of the recipe `generalist`, and how many episodes of each an expert shows.

All that have an expert. As many episodes as the expert plays in half a minute of a processor, by what an episode cost
when the expert was measured, within bounds: a plan of ten seconds a step cannot be shown as often as a bot's.
"""

from __future__ import annotations

from dataclasses import dataclass

from opengato.core.environment import TaskInfo
from opengato.envs import all_tasks
from opengato.recipes.tiny_tasks import BABYAI_NOISE, BABYAI_WEIGHTS, METAWORLD_NOISE, babyai_jobs
from opengato.rollout import TRAIN_SEED, CollectJob

SECONDS = 30.0  # of a processor, a task
UNMEASURED = 0.01  # seconds of an episode whose cost nobody measured


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """How a family is shown: at least `fewest` and at most `most` episodes a task, with these shares of noise.

    Noise shows what to do after a mistake, which matters most where balance is kept (docs/log.md).
    """

    fewest: int = 30
    most: int = 300
    noise: tuple[float, ...] = (0.0, 0.1, 0.3)
    only_success: bool = False
    max_steps: int | None = None


SHOWN = {
    "atari": Shown(fewest=8, noise=(0.0,)),  # actions stick by chance as it is
    "babyai": Shown(most=1500, noise=BABYAI_NOISE, only_success=True),
    "bodies": Shown(fewest=10),
    "classic": Shown(),
    "dmc": Shown(fewest=10),
    "maze3d": Shown(noise=(0.0, 0.1), only_success=True),
    "metaworld": Shown(most=160, noise=METAWORLD_NOISE, only_success=True, max_steps=250),
    "minigrid": Shown(most=1000, noise=BABYAI_NOISE, only_success=True),
    "mujoco": Shown(fewest=10),
    "procgen": Shown(fewest=12, noise=(0.0, 0.1)),
    "robotics": Shown(only_success=True),
    "sokoban": Shown(most=2000, noise=(0.0, 0.1), only_success=True),  # more noise ruins a board
}


def episodes_of(task: TaskInfo, shown: Shown) -> int:
    """How many episodes of a task are collected."""
    assert task.expert_score is not None
    affordable = int(SECONDS / (task.expert_score.seconds or UNMEASURED))
    return min(shown.most, max(shown.fewest, affordable))


def jobs(family: str) -> tuple[CollectJob, ...]:
    """What the experts of a family show; of BabyAI's levels in `tiny` as much as there."""
    shown = SHOWN[family]
    known = babyai_jobs() if family == "babyai" else ()
    return known + tuple(
        CollectJob(
            task=task.id,
            episodes=episodes_of(task, shown),
            seed=TRAIN_SEED,
            noise=shown.noise,
            only_success=shown.only_success,
            max_steps=shown.max_steps,
        )
        for task in all_tasks(family)
        if task.expert_score is not None and task.id not in {job.task for job in known}
    )


COLLECT = {family: jobs(family) for family in SHOWN}
BABYAI_WEIGHTS_OF_ALL = {job.task: BABYAI_WEIGHTS.get(job.task, 1.0) for job in COLLECT["babyai"]}
