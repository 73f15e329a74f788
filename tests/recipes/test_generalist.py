"""The recipe of every task: all experts are shown, and the network has room for what any of them sees and does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from opengato.core.environment import TaskInfo
from opengato.core.episode import Episode
from opengato.envs import all_tasks
from opengato.recipes import generalist
from opengato.recipes.generalist_tasks import COLLECT, SHOWN, Shown, episodes_of
from opengato.rollout.policies import sample_uniform

EXPERTS = [task for task in all_tasks() if task.expert_score is not None]


def one_step(task: TaskInfo) -> Episode:
    """The largest values that a task may show, and a random action."""
    generator = np.random.default_rng(0)
    return Episode(
        task=task.id,
        instruction=task.instruction,
        observation_specs=task.observation_specs,
        action_specs=task.action_specs,
        observations={
            name: np.full((1, *spec.shape), (spec.num_values or 256) - 1).astype(spec.dtype)
            for name, spec in task.observation_specs.items()
        },
        actions={name: sample_uniform(spec, generator)[None] for name, spec in task.action_specs.items()},
        rewards=np.zeros(1, np.float32),
    )


def test_every_expert_is_shown_once() -> None:
    shown = [job.task for jobs in COLLECT.values() for job in jobs]
    assert sorted(shown) == sorted(task.id for task in EXPERTS)
    assert set(SHOWN) == set(generalist.CONTROL)


def test_every_task_fits_the_network_and_leaves_room_for_several_steps() -> None:
    config = generalist.agent()
    serializer = config.serializer()
    for task in EXPERTS:
        both = len(serializer.episode(one_step(task)))
        told = len(serializer.prompt(task.instruction))
        assert told <= config.backbone.sinks, f"{task.id}: an instruction of {told} positions does not stay in sight"
        assert both - told <= config.num_local, f"{task.id}: a step takes {both - told} positions"


def test_shares_of_positions_make_one_whole() -> None:
    recipe = generalist.recipe()
    assert sum(recipe.weights.values()) == pytest.approx(1.0)
    assert sum(recipe.weights[name] for name in generalist.CONTROL) == pytest.approx(1 - generalist.SENSES)


@pytest.mark.parametrize(("seconds", "expected"), [(None, 300), (0.1, 300), (0.5, 60), (60.0, 30)])
def test_episodes_are_what_half_a_minute_pays_for(seconds: float | None, expected: int) -> None:
    task = EXPERTS[0]
    assert task.expert_score is not None
    measured = dataclasses.replace(task, expert_score=dataclasses.replace(task.expert_score, seconds=seconds))
    assert episodes_of(measured, Shown()) == expected
