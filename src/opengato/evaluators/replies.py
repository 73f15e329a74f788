"""Texts that answer: how likely the true one is, what the agent writes in its place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from opengato.agent.model import Agent
from opengato.core.episode import ArraySpec, Episode, objects
from opengato.data.documents import slice_steps

TEXT = ArraySpec(name="text", kind="text", dtype="str")


def answer_of(episode: Episode) -> str:
    """The text that an episode writes last."""
    (values,) = episode.actions.values()
    return str(values[-1])


def with_answer(episode: Episode, answer: str) -> Episode:
    """The same episode, had it written `answer` last."""
    ((name, values),) = episode.actions.items()
    return replace(episode, actions={name: objects([*values[:-1], answer])})


def turns_of(episode: Episode) -> list[Episode]:
    """An episode for each of its steps, which ends with it."""
    return [slice_steps(episode, 0, step + 1) for step in range(episode.num_steps)]


def answer_nats(agent: Agent, episodes: list[Episode]) -> list[np.ndarray]:
    """Negative log-likelihood of each row of the last answers, the marker that ends them included."""
    codec = agent.serializer.codecs[agent.serializer.layout.modality("action", TEXT)]
    counts = [len(codec.encode([answer_of(episode)], TEXT, "action")[0]) for episode in episodes]
    return [nats[-count:] for nats, count in zip(agent.log_likelihood(episodes), counts, strict=True)]


def nats_and_bytes(agent: Agent, episodes: list[Episode]) -> list[tuple[float, int]]:
    """Nats of the last answers without the marker that ends them, and their UTF-8 bytes; empty ones are left out."""
    codec = agent.serializer.codecs[agent.serializer.layout.modality("action", TEXT)]
    num_ends = len(codec.encode([""], TEXT, "action")[0])
    found = []
    for episode, nats in zip(episodes, answer_nats(agent, episodes), strict=True):
        size = len(answer_of(episode).encode())
        if size:
            found.append((float(np.sum(nats[: len(nats) - num_ends], dtype=np.float64)), size))
    return found
