"""`agent.policy(task)`: a Gymnasium environment's observation in, its action out."""

from __future__ import annotations

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from opengato.agent.model import Agent
from opengato.envs import find_task, make
from opengato.modalities.continuous import action, vector
from opengato.modalities.discrete import vector as cells
from tests.tiny import tiny_agent, vector_config


@pytest.fixture(scope="module")
def agent() -> Agent:
    """Room for the observations of both families."""
    config = vector_config()
    larger = {
        "cells": cells.Config(cells=50, channels=3, num_values=11, cell_width=4),
        "state": vector.Config(size=40),
        "motion": action.Config(size=4),
    }
    return replace(config, modalities={**config.modalities, **larger}).build().eval()


@pytest.mark.parametrize(("task_id", "package"), [("babyai/GoToObjS4", "minigrid"), ("metaworld/reach", "metaworld")])
def test_it_plays_an_environment_of_its_user(agent: Agent, task_id: str, package: str) -> None:
    pytest.importorskip(package)
    env: gymnasium.Env = make(task_id, seed=3)
    played = []
    for _ in range(2):
        policy = agent.policy(task_id, temperature=1.0, seed=5)
        observation, _ = env.reset(seed=3)
        actions = []
        for _ in range(4):
            actions.append(policy.act(observation))
            assert env.action_space.contains(actions[-1])
            observation, _, terminated, _, _ = env.step(actions[-1])
            if terminated:
                break
        played.append(np.array(actions))
    np.testing.assert_array_equal(played[0], played[1])
    env.close()


def test_episodes_of_one_policy_draw_differently_and_forget_the_past(agent: Agent) -> None:
    task = find_task("babyai/GoToObjS4")
    observation = {"image": np.ones((7, 7, 3), np.uint8), "direction": 0, "mission": task.instruction}
    policy = agent.policy(task.id, temperature=1.0)
    policy.reset()
    first = [policy.act(observation) for _ in range(12)]
    policy.reset()
    second = [policy.act(observation) for _ in range(12)]
    assert first != second
    greedy = agent.policy(task.id)
    forgetful = agent.policy(task.id, temperature=1.0, top_k=1, history=1, window=8)
    assert len({forgetful.act(observation) for _ in range(12)}) == 1, "no past, no choice"
    runs = []
    for _ in range(2):
        greedy.reset("go to the ball")
        runs.append([greedy.act(observation) for _ in range(3)])
    assert runs[0] == runs[1]


def test_what_it_cannot_use_is_told(agent: Agent) -> None:
    with pytest.raises(ValueError, match="unknown task 'babyai/GoToLocl'; did you mean 'babyai/GoToLocal'"):
        agent.policy("babyai/GoToLocl")
    with pytest.raises(TypeError, match="topk"):
        agent.policy("babyai/GoToLocal", topk=3)
    policy = agent.policy("babyai/GoToLocal")
    observation = {"image": np.full((7, 7, 3), 99, np.uint8), "direction": 0, "mission": ""}
    with pytest.raises(ValueError, match=r"observation 'view' of 'babyai/GoToLocal'.*\[0, 99\]"):
        policy.act(observation)
    small = tiny_agent()
    with pytest.raises(ValueError, match="'babyai/view' needs 50 cells x 3 channels x 11 values; this model has room"):
        small.policy("babyai/GoToLocal").act({**observation, "image": np.ones((7, 7, 3), np.uint8)})


def test_without_an_instruction_it_takes_the_one_that_the_observation_carries(agent: Agent) -> None:
    task = find_task("babyai/GoToObjS4")
    seen = {"image": np.ones((7, 7, 3), np.uint8), "direction": 0, "mission": "go to the purple key"}
    read: list[str] = []
    for asked in (None, "go to the purple key", "open the grey door"):
        policy = agent.policy(task.id, instruction=asked)
        policy.act(seen)
        tokens = policy._policy._decoding.length[0]
        read.append(f"{tokens} {policy._policy._decoding.cache.key[0, 0, :, 1:6].sum().item():.6f}")
    assert read[0] == read[1] != read[2]
