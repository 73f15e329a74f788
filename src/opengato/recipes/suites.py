"""The suites of the arena: which data recipes are compared on, which tasks are measured, and how much of everything.

opengato compare tiny tiny-tokens --suite small    # six BabyAI levels, six Meta-World tasks, a novelist, emoji
opengato compare mine.py other.py --suite full     # every family of control tasks, and the corpora of `senses`

`full` collects from experts that plan for seconds or minutes an episode; nobody has run it whole yet.
"""

from __future__ import annotations

from pathlib import Path

from opengato.core.config import choose
from opengato.envs import all_tasks
from opengato.evaluators.arena import Source, Suite
from opengato.evaluators.contract import Settings
from opengato.recipes import of_file, senses, studies
from opengato.rollout import TRAIN_SEED, CollectJob

# Tasks of each family in `full`, and episodes of each: fewer where the expert is slow.
FULL = {
    "babyai": (12, 1000),
    "metaworld": (12, 100),
    "minigrid": (8, 300),
    "sokoban": (3, 500),
    "classic": (6, 100),
    "robotics": (4, 50),
    "mujoco": (4, 40),
    "maze3d": (4, 40),
    "dmc": (6, 20),
    "procgen": (4, 20),
    "atari": (3, 10),
    "bodies": (3, 10),
}
CONTROL = 0.5  # share of positions of all control families in `full`


def small() -> Suite:
    """Twelve control tasks, prose and captioned drawings, meant for minutes a run at a trunk of 2M; not timed yet."""
    jobs = studies.control_jobs()
    weights = {"babyai": 0.5, "metaworld": 0.3}
    return Suite(
        name="small",
        sources={
            **{
                family: Source(weight=weight, tasks=tuple(job.task for job in jobs[family]), jobs=jobs[family])
                for family, weight in weights.items()
            },
            "austen": Source(weight=0.12, tasks=("text/austen",)),
            "emoji": Source(weight=0.08, tasks=("caption/emoji",), learnt=("caption/emoji",)),
        },
        collected=studies.COLLECTED,
        settings=Settings(episodes=studies.EPISODES, documents=100),
    )


def full() -> Suite:
    """Every family of control tasks with a measured expert, and every sense."""
    return Suite(
        name="full",
        sources={
            **{family: control(family, *amount) for family, amount in FULL.items()},
            **{name: corpus(part, name) for part in senses.PARTS.values() for name in part.weights},
        },
        collected="arena-full",
        settings=Settings(episodes=20, documents=200),
        steps=4000,
    )


def control(family: str, tasks: int, episodes: int) -> Source:
    """Tasks at even steps among those of a family whose expert is above random."""
    fit = [
        task.id
        for task in all_tasks(family)
        if task.random_score and task.expert_score and task.expert_score.mean > task.random_score.mean
    ]
    chosen = tuple(dict.fromkeys(fit[i * len(fit) // tasks] for i in range(tasks)))
    jobs = tuple(CollectJob(task=task, episodes=episodes, seed=TRAIN_SEED) for task in chosen)
    return Source(weight=CONTROL / len(FULL), tasks=chosen, jobs=jobs)


def corpus(part: senses.Part, name: str) -> Source:
    """A corpus of `senses`, with the tasks that are measured of it."""
    total = sum(weight for each in senses.PARTS.values() for weight in each.weights.values())
    mine = tuple(task for task in part.tasks if name in task) or part.tasks
    return Source(weight=(1 - CONTROL) * part.weights[name] / total, tasks=mine)


SUITES = {"small": small, "full": full}


def load(name: str) -> Suite:
    """A suite by its name, or of a file that defines `suite() -> Suite`; ValueError for another word."""
    if name.endswith(".py"):
        return of_file(Path(name), Suite, "see docs/arena.md")
    return SUITES[choose(name, SUITES, what="suite (neither a name nor a .py file)")]()
