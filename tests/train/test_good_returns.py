"""An agent that has seen nothing but random play does better than it by saying first what it will earn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from opengato.agent.model import Agent
from opengato.agent.policy import AgentPolicy, Limits
from opengato.backbones import decoder
from opengato.core.batch import PackedBatch
from opengato.core.policy import Observed
from opengato.core.returns import EXPERT_RETURNS, NUM_BINS, PREDICTED_RETURNS, with_predicted_returns
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.modalities.discrete import tokens as ids
from opengato.objectives import next_token
from opengato.train import loop, optim
from tests.agent.toy import task
from tests.tiny import toy_episode, toy_values, vector_config

STEPS, ROWS = 150, 4


def agent_config() -> loop.Config:
    config = vector_config()
    modalities = {**config.modalities, "choice": ids.Config(num_values=NUM_BINS)}
    trunk = decoder.Config(width=32, depth=1, heads=2, hidden=48, window=48)
    return loop.Config(
        agent=replace(config, modalities=modalities, backbone=trunk),
        objective=next_token.Config(),
        optim=optim.Config(warmup=10, learning_rate=1e-2),
        steps=STEPS,
        precision="float32",
    )


def played(seed: int, config: loop.Config) -> Document:
    """One random move out of five, which pays a quarter of its number; two are missing in the mean."""
    episode = toy_episode(seed, steps=1)
    episode = replace(episode, rewards=(episode.actions["move"] / 4).astype(np.float32))
    sequence = config.agent.serializer().episode(with_predicted_returns(episode, unit=1.0))
    return Document(sequence=sequence, source=0, episode=0)


def moves(agent: Agent, good_returns: float) -> float:
    """The mean move, of the numbers 0 to 4, in places that training has not seen."""
    generator, chosen = np.random.default_rng(99), []
    policy = AgentPolicy(agent, temperature=1.0, rows=1, limits=Limits(good_returns=good_returns))
    for seed in range(60):
        policy.begin(0, task(), "go on", None, seed)
        [values] = policy.act([0], [Observed(None, toy_values(generator))])
        assert values is not None
        chosen.append(int(values["move"]))
    return float(np.mean(chosen))


def test_good_returns_make_good_moves(tmp_path: Path) -> None:
    config = agent_config()

    def batches(start: int) -> Iterator[PackedBatch]:
        for step in range(start, STEPS):
            documents = [played(1000 + ROWS * step + row, config) for row in range(ROWS)]
            yield pack_documents(documents, 64)

    card = {EXPERT_RETURNS: {"toy/task": 1.0}, PREDICTED_RETURNS: ["toy/task"], "sources": ["a"]}
    agent = loop.fit(config, batches, tmp_path, card)
    assert 1.5 < moves(agent, 0.0) < 2.5, "what was usual"
    assert moves(agent, 10.0) > 3.5, "what paid"
