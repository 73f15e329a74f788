"""The table of all control tasks, for docs/tasks.md: whatever families are there, from what they say of themselves."""

from __future__ import annotations

from opengato.core.environment import Score, TaskInfo
from opengato.envs import all_tasks
from opengato.envs.jat import anchors_of

COUNTS = ("family", "tasks", "with an expert", "solved by it at 90 % or more", "in JAT")
HEAD = ("task", "instruction", "the expert", "sees more", "random", "expert", "n", "solved", "s", "JAT")


def families() -> dict[str, list[TaskInfo]]:
    """All tasks by family, both in their order."""
    found: dict[str, list[TaskInfo]] = {}
    for task in all_tasks():
        found.setdefault(task.family, []).append(task)
    return found


def counts(_found: object = None) -> str:
    """One line a family, and one for all."""
    everything = [task for tasks in families().values() for task in tasks]
    lines = [f"{name} | {counted(tasks)}" for name, tasks in families().items()]
    return head(COUNTS) + "".join(f"| {line} |\n" for line in [*lines, f"all | {counted(everything)}"])


def head(names: tuple[str, ...]) -> str:
    """The first two lines of a table."""
    return f"| {' | '.join(names)} |\n|{' --- |' * len(names)}\n"


def counted(tasks: list[TaskInfo]) -> str:
    """`96 | 89 | 89 | 39`."""
    experts = [task.expert_score for task in tasks if task.expert_score is not None]
    solved = sum(score.success_rate is not None and score.success_rate >= 0.9 for score in experts)
    return f"{len(tasks)} | {len(experts)} | {solved} | {sum(anchors_of(task.id) is not None for task in tasks)}"


def all_rows(_found: object = None) -> str:
    """A section a family with one row a task; a task without an expert has a dash."""
    sections = [f"### {family}\n\n{head(HEAD)}{''.join(map(row, tasks))}" for family, tasks in families().items()]
    return "\n" + "\n".join(sections) + "\n"


def row(task: TaskInfo) -> str:
    """One task as a row of Markdown."""
    random, expert, theirs = task.random_score, task.expert_score, anchors_of(task.id)
    cells = [
        f"`{task.id.partition('/')[2]}`",
        task.instruction,
        task.expert or "-",
        task.privileged or "-",
        spread(random),
        spread(expert),
        "-" if random is None else f"{random.episodes}" if expert is None else f"{random.episodes}, {expert.episodes}",
        "-" if expert is None or expert.success_rate is None else f"{expert.success_rate:.0%}",
        "-" if expert is None or expert.seconds is None else f"{expert.seconds:.2g}",
        "-" if theirs is None else f"{theirs.random:.4g}, {theirs.expert:.4g}",
    ]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"


def spread(score: Score | None) -> str:
    """`0.927 ± 0.04`."""
    return "-" if score is None else f"{score.mean:.4g} ± {score.std:.2g}"
