"""What begins alike is read once, and nothing else changes. Letters: none."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from opengato.agent import beginnings, likelihood
from opengato.agent.model import Agent
from opengato.backbones import factored, palm, pathways
from opengato.core.episode import Episode
from opengato.nn import decision
from tests.tiny import (
    ENCODINGS,
    caption_episode,
    documents_of_all_kinds,
    sharpen,
    tiny_agent,
    tiny_encoder,
    toy_episode,
)

TRUNK: dict[str, Any] = {"width": 32, "depth": 2, "heads": 4, "hidden": 24, "window": 48, "sinks": 8}
TRUNKS = {"palm": palm.Config(**TRUNK, head_width=8), "pathways": pathways.Config(**TRUNK)}
TRUNKS["factored"] = factored.Config(**TRUNK, within="divided")
CAPTIONS = ("red panda", "a very blue whale", "flag", "an old clock on a wall", "x")


def of_two_pictures() -> list[Episode]:
    """Five captions of each picture in turn, and what is like nothing else."""
    asked = [caption_episode(picture, caption) for caption in CAPTIONS for picture in (1, 2)]
    return [*asked[:4], *documents_of_all_kinds(), *asked[4:]]


def assert_as_alone(agent: Agent, episodes: list[Episode]) -> None:
    found = agent.log_likelihood(episodes)
    assert len(found) == len(episodes)
    for nats, episode in zip(found, episodes, strict=True):
        np.testing.assert_allclose(nats, agent.log_likelihood([episode])[0], rtol=1e-3, atol=1e-4)


def sharpened(agent: Agent) -> Agent:
    sharpen(agent.backbone)
    return agent.eval()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("places", [1, 300, beginnings.PLACES_AT_ONCE])
def test_it_is_the_likelihood_of_each_alone(encoding: str, places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginnings, "PLACES_AT_ONCE", places)
    assert_as_alone(sharpened(tiny_agent(encoding)), of_two_pictures())


@pytest.mark.parametrize("trunk", TRUNKS)
def test_whatever_the_trunk(trunk: str) -> None:
    assert_as_alone(sharpened(tiny_agent(backbone=TRUNKS[trunk])), of_two_pictures())


def test_documents_longer_than_what_is_in_sight() -> None:
    """The same first observation and instruction, then other steps, beyond the window."""
    first = toy_episode(0, steps=20)
    others = [dataclasses.replace(toy_episode(seed, steps=20), instruction=first.instruction) for seed in (1, 2, 3)]
    for other in others:
        for name, values in other.observations.items():
            values[0] = first.observations[name][0]
    agent = sharpened(tiny_agent(window=12, sinks=3))
    assert max(len(agent.serializer.episode(episode)) for episode in others) > 12
    assert_as_alone(agent, [first, *others])


def test_heads_hear_of_the_task_of_each_document() -> None:
    """Two tasks of one beginning."""
    tasks = ("caption/toy", "caption/other")
    agent = sharpened(tiny_agent(tasks=tasks, decision=decision.Config()))
    assert agent.decision is not None
    with torch.no_grad():
        for parameter in agent.decision.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(0))
    episodes = [dataclasses.replace(caption_episode(1, caption), task=task) for caption in CAPTIONS for task in tasks]
    assert_as_alone(agent, episodes)
    one, other = (agent.log_likelihood(episodes)[index] for index in (0, 1))
    assert not np.allclose(one, other)


def test_a_beginning_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture goes through its encoder once, and the trunk sees each slot of it once."""
    agent, seen = sharpened(tiny_agent()), []
    embed = agent.embed_slots

    def counted(payload: dict[str, torch.Tensor], *rest: Any) -> torch.Tensor:
        seen.append({name: len(rows) for name, rows in payload.items()})
        return embed(payload, *rest)

    monkeypatch.setattr(agent, "embed_slots", counted)
    episodes = [caption_episode(1, caption) for caption in CAPTIONS]
    patches = len(agent.serializer.episode(episodes[0]).payload["image"])
    agent.log_likelihood(episodes)
    assert sum(count.get("image", 0) for count in seen) == patches
    monkeypatch.setattr(likelihood, "alike", lambda *_: [])
    seen.clear()
    agent.log_likelihood(episodes)
    assert sum(count.get("image", 0) for count in seen) == len(CAPTIONS) * patches


def test_what_is_alike() -> None:
    agent = tiny_agent()
    episodes = of_two_pictures()
    groups = beginnings.alike(agent, [agent.serializer.episode(episode) for episode in episodes])
    shown = [sorted(map(str, (*episode.observations.values(), episode.instruction))) for episode in episodes]
    assert len(groups) == 2
    for group in groups:
        assert len(group) >= len(CAPTIONS)
        assert all(shown[index] == shown[group[0]] for index in group)
        assert all(shown[index] != shown[group[0]] for index in range(len(episodes)) if index not in group)
    told = [dataclasses.replace(caption_episode(1, "flag"), instruction=words) for words in ("look", "listen")]
    assert beginnings.alike(agent, [agent.serializer.episode(episode) for episode in told]) == []
    encoder = tiny_encoder()
    assert beginnings.alike(encoder, [encoder.serializer.episode(episode) for episode in episodes]) == []
