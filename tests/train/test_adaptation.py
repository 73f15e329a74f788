"""Adaptation in a few steps: the steps are plain gradient descent, and the agents of each number of them are kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from opengato.agent.files import load_agent, save_agent
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.objectives import next_token
from opengato.train.adaptation import Config, adapt, batch_of
from opengato.train.finetune import Start, fill, with_statistics
from tests.tiny import caption_episode, tiny_agent, toy_episode


@pytest.fixture
def store(tmp_path: Path) -> str:
    episodes = [toy_episode(seed, steps=2) for seed in range(4)] + [caption_episode(seed) for seed in range(3)]
    with StoreWriter(tmp_path / "store", {"licence": "ours"}) as writer:
        writer.append(episodes)
    save_agent(tiny_agent(), tmp_path / "base")
    return str(tmp_path / "store")


def test_each_task_is_learnt_by_itself_and_every_count_of_steps_is_kept(store: str, tmp_path: Path) -> None:
    config = Config(steps=(1, 3), rate=0.05, shots=2, asked=9)
    found = adapt(Start.of(tmp_path / "base"), [store], config, tmp_path / "out")
    assert [(one.task, one.learnt, one.asked) for one in found] == [("caption/toy", 2, 1), ("toy/task", 2, 2)]
    episodes, plain, start = EpisodeStore(store), next_token.Config().build(), Start.of(tmp_path / "base")
    assert start.weights is not None
    config_of_agent, _ = with_statistics(start, [episodes])
    for one in found:
        rows = [int(i) for i in range(len(episodes)) if episodes.task(i) == one.task]
        folder = tmp_path / "out" / one.task.replace("/", "-")
        agent = config_of_agent.build()
        fill(agent, start.weights)
        seeded = np.random.default_rng(config.seed).permutation(rows)
        learnt, asked = (batch_of(agent, episodes, part, config.seed) for part in (seeded[:2], seeded[2:]))
        for steps in range(4):
            loss, _ = plain(agent, asked)
            if steps in one.losses:
                assert one.losses[steps] == pytest.approx(float(loss.detach()), rel=1e-5)
            if steps in config.steps:
                kept = load_agent(folder / f"steps-{steps}").state_dict()
                for name, tensor in agent.state_dict().items():
                    torch.testing.assert_close(kept[name], tensor, rtol=1e-4, atol=1e-6, msg=name)
            agent.zero_grad()
            plain(agent, learnt)[0].backward()
            with torch.no_grad():
                for parameter in agent.parameters():
                    if parameter.grad is not None:
                        parameter -= config.rate * parameter.grad
        assert list(one.losses) == [0, 1, 3]
    body = json.loads((tmp_path / "out" / "meta.json").read_text())
    assert [one["task"] for one in body["tasks"]] == ["caption/toy", "toy/task"]
    assert load_agent(tmp_path / "out" / "toy-task" / "steps-3").card["adapted"]["steps"] == 3


def test_too_few_episodes_and_odd_settings_are_refused(store: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected more than the 4"):
        adapt(Start.of(tmp_path / "base"), [store], Config(shots=4), tmp_path / "out")
    for wrong in ({"steps": (5, 1)}, {"steps": ()}, {"shots": 0}, {"rate": 0.0}):
        with pytest.raises(ValueError, match="ascending numbers of steps"):
            replace(Config(), **wrong)
    with pytest.raises(ValueError, match="`full` or `head`"):
        Config(mode="lora")
