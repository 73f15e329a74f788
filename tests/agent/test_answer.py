"""Answers to what an episode shows: laid out as in training, step after step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from opengato.agent import generate
from opengato.agent.generate import Written
from opengato.core.episode import ArraySpec, Episode, objects
from opengato.core.modality import Sampling
from opengato.core.sequence import TokenSequence, concatenate
from opengato.modalities.token_table import TokenTable
from opengato.sources.answers import answered, dialogue
from tests.tiny import ENCODINGS, assert_same_sequence, caption_episode, tiny_agent, toy_episode

TEXT = ArraySpec(name="text", kind="text", dtype="str")
EPISODES = [
    answered("topic/toy", "oil is up", "crude oil", instruction="what is it about?"),
    dialogue("chat/toy", [("Hello", "Hi"), ("How are you?", "Very well, and you?")]),
    caption_episode(),
]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("episode", EPISODES, ids=["answer", "dialogue", "caption"])
def test_an_answer_is_read_and_written_where_training_has_it(
    encoding: str, episode: Episode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head that says the true answer makes the very sequence that training lays out, but for the end marker."""
    agent = tiny_agent(encoding)
    codec = agent.serializer.codecs[agent.serializer.layout.modality("action", TEXT)]
    ((name, values),) = episode.actions.items()
    says = iter(codec.encode([values[-1]], TEXT, "action")[0])
    fed: list[TokenSequence] = []
    feed = generate.Decoding.feed

    def listen(self: generate.Decoding, rows: list[int], sequences: list[TokenSequence]) -> torch.Tensor:
        fed.extend(sequences)
        return feed(self, rows, sequences)

    def say(self: TokenTable, h_ND: torch.Tensor, spec: ArraySpec, sampling: Sampling) -> torch.Tensor:
        return torch.tensor([next(says)])

    monkeypatch.setattr(generate.Decoding, "feed", listen)
    monkeypatch.setattr(TokenTable, "sample", say)
    wrong = replace(episode, actions={name: objects([*values[:-1], "an answer that is not looked at"])})
    assert agent.answer(wrong) == Written(text=values[-1], stopped=True)
    whole = agent.serializer.episode(episode)
    written = concatenate(fed)
    # What was written is no target there, and that alone differs.
    received = replace(written, predict_T=whole.predict_T[: len(written)])
    assert_same_sequence(received, whole.take(np.arange(len(whole)) < len(whole) - 1))


def test_an_answer_that_does_not_end_is_cut_and_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = tiny_agent()
    piece = agent.serializer.codecs["text"].encode([" so"], TEXT, "observation")[0][0]
    monkeypatch.setattr(TokenTable, "sample", lambda *_: torch.tensor([piece]))
    assert agent.answer(EPISODES[0], max_new_tokens=3) == Written(text=" so so so", stopped=False)


def test_what_is_not_answered_with_text_is_refused() -> None:
    episode = toy_episode()
    one = replace(episode, action_specs={"move": episode.action_specs["move"]}, actions={"move": np.zeros(4, np.int64)})
    with pytest.raises(ValueError, match="answered with discrete; expected one that writes text"):
        tiny_agent().answer(one)
