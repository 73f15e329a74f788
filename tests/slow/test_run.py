"""A whole recipe on a small task: collect, train, stop, go on, load, act. Minutes on one core."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import opengato
from opengato import recipes
from opengato.agent.policy import AgentPolicy
from opengato.backbones import decoder
from opengato.rollout import TRAIN_SEED, CollectJob, RandomPolicy, rollout
from opengato.train.run import Recipe, run

pytest.importorskip("minigrid")
TASK = "babyai/GoToObjS4"


def recipe(steps: int) -> Recipe:
    whole = recipes.load("tiny")
    agent = replace(whole.train.agent, backbone=decoder.Config(width=64, depth=2, heads=2, hidden=128))
    return replace(
        whole,
        train=replace(whole.train, agent=agent, steps=steps, checkpoint_minutes=1e9, precision="float32"),
        weights={"babyai": 1.0},
        task_weights={},
        collect={"babyai": (CollectJob(task=TASK, episodes=600, seed=TRAIN_SEED, only_success=True),)},
        imports=(),
        rows_per_group=4,
    )


@pytest.mark.timeout(1800)
def test_a_recipe_learns_a_small_task_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    agent = run(recipe(300), tmp_path / "run", tmp_path / "data", workers=2)
    assert agent.card["tasks"] == [TASK]
    assert agent.card["data"]["babyai"]["fingerprint"]
    again = run(recipe(300), tmp_path / "run", tmp_path / "data", workers=2)
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in agent.state_dict().items())
    loaded = opengato.load(tmp_path / "run")
    assert TASK.partition("/")[2] in loaded.spec()
    policy = AgentPolicy(loaded, rows=8)
    learnt = np.mean([e.success for e in rollout(TASK, policy, episodes=50, seed=0, num_envs=8)])
    random = np.mean([e.success for e in rollout(TASK, RandomPolicy(), episodes=50, seed=0)])
    assert learnt > max(0.6, random + 0.2), (learnt, random)
