"""Acting with heads that name tasks and parts that belong to them: as the full forward pass and numpy would have acted.

Letters: T positions, D width, V tasks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from opengato.agent.policy import AgentPolicy
from opengato.core.modality import Sampling
from opengato.nn import decision, private
from opengato.rollout import rollout
from tests.agent.test_acting import forward
from tests.agent.toy import ToyFamily, task
from tests.tiny import ACTION, tiny_agent


@pytest.mark.parametrize("tasks", [("toy/other", "toy/task"), ("toy/other", "toy/else")])
def test_acting_uses_the_parts_of_a_task_that_is_known_and_beliefs_of_another(
    toy_family: ToyFamily, tasks: tuple[str, ...]
) -> None:
    parts = private.Config(task="head", modality="head")
    agent = tiny_agent(tasks=tasks, private=parts, decision=decision.Config())
    heads: Any = agent.decision
    own: Any = agent.private
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in [*heads.parameters(), *own.parameters()]:
            parameter.normal_(std=0.3, generator=generator)
    [episode] = rollout(task(), AgentPolicy(agent, rows=1), episodes=1, seed=2)
    assert episode.num_steps == 5
    sequence, number = agent.serializer.episode(episode), agent.task_number("toy/task")
    order = list(agent.config.modalities)
    h_TD = forward(agent, sequence).double()
    with torch.inference_mode():
        for step in range(episode.num_steps):
            targets = np.flatnonzero(sequence.predict_T & (sequence.step_T == step))
            for t, (field, name, _) in zip(targets, agent.serializer.action_slots(ACTION), strict=True):
                x_D = h_TD[t - 1]
                share_V = (heads.task_VD.double() @ x_D + heads.task_V.double()).softmax(0)
                if number >= 0:
                    share_V = torch.eye(2).double()[number]
                x_D = x_D + share_V @ heads.told_task_VD.double() + heads.told_modality_MD[order.index(name)].double()
                x_D = own.modalities[name].weight.double() @ x_D
                if number >= 0:
                    x_D = own.tasks[number].weight.double() @ x_D
                rows = agent.modality(name).sample(x_D.float()[None], ACTION[field], Sampling())
                value = agent.serializer.codecs[name].decode(rows.numpy(), ACTION[field])
                np.testing.assert_allclose(episode.actions[field][step], value, err_msg=f"step {step}, {field}")
    plain = next(rollout(task(), AgentPolicy(tiny_agent(), rows=1), episodes=1, seed=2))
    assert not np.allclose(plain.actions["force"], episode.actions["force"]), "the parts do something here"
