"""Recordings spelt out: which they are in a batch, that the head and the encoder learn, that reading aloud is undone.

Letters: B rows, T slots, N positions, D width.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from opengato.agent.inputs import read_as_seen
from opengato.agent.model import Agent
from opengato.agent.slots import slots_of
from opengato.backbones import encoder as trunk
from opengato.core.batch import PackedBatch
from opengato.core.episode import Episode, document, objects
from opengato.core.media import wav
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.modalities.audio import Config as Front
from opengato.modalities.audio import encoder
from opengato.nn import ctc as head
from opengato.nn.ctc import ctc_loss
from opengato.objectives import ctc, next_token, spelling
from opengato.objectives.spelling import recordings
from opengato.sources.speech import INSTRUCTION
from tests.tiny import caption_episode, sharpen, vector_config

RATE = 8000
FRONT = Front(rate=RATE, window=200, hop=80, mels=16, frames=8, context=2, seconds=4)


def spelling_agent(**changes: object) -> Agent:
    config = vector_config(window=128)
    sound = encoder.Config(front=FRONT, depth=1, heads=2, hidden=32, reach=8)
    routes = {**config.routes, "observation/audio": "sound"}
    torch.manual_seed(0)
    made = dataclasses.replace(config, modalities={**config.modalities, "sound": sound}, routes=routes, context=128)
    return dataclasses.replace(made, **{"ctc": head.Config(), **changes}).build()


def recording(said: str, instruction: str = INSTRUCTION) -> Episode:
    """A tone for each letter, 0.1 seconds long."""
    time = np.arange(RATE // 10) / RATE
    tones = [0.5 * np.sin(2 * np.pi * (300 + 150 * (ord(letter) % 17)) * time) for letter in said]
    return document("speech/toy", said, audio=wav(np.concatenate(tones), RATE), instruction=instruction)


def packed(agent: Agent, episodes: list[Episode], length: int = 90) -> PackedBatch:
    sequences = [agent.serializer.episode(episode) for episode in episodes]
    documents = [Document(sequence=sequence, source=0, episode=i) for i, sequence in enumerate(sequences)]
    return pack_documents(documents, length)


def beside(weight: float = 0.3, text: float = 1.0) -> next_token.Config:
    """Next token, and spelling beside it."""
    return next_token.Config(weights={"text": text}, beside={"spelling": spelling.Config(weight=weight)})


def test_its_instruction_is_that_of_speech() -> None:
    assert ctc.Config().instruction == spelling.Config().instruction == INSTRUCTION


def test_recordings_are_those_that_are_to_be_written_down() -> None:
    agent = spelling_agent()
    others = [recording("a drum", "what makes this sound?"), caption_episode()]
    batch = packed(agent, [recording("hello"), others[0], recording("so be it"), others[1]])
    found = recordings(agent.serializer, batch, INSTRUCTION)
    assert [text for _, text in found] == ["hello", "so be it"]
    rows = agent.serializer.codecs["sound"]
    for (slots, text), position in zip(found, batch.slot_N["sound"].unique(), strict=False):
        assert len(slots) == rows.encode([recording(text).observations["audio"][0]], AUDIO, "observation")[1][0]
        assert set(slots.tolist()) <= set(batch.slot_N["sound"].tolist())
        assert position in batch.slot_N["sound"]
    assert not recordings(agent.serializer, packed(agent, others[:2]), INSTRUCTION)


AUDIO = recording("a").observation_specs["audio"]


def test_a_text_that_is_cut_off_is_not_spelt() -> None:
    agent = spelling_agent()
    sequence = agent.serializer.episode(recording("so be it"))
    document_cut = Document(sequence=sequence.take(np.arange(len(sequence)) < len(sequence) - 1), source=0, episode=0)
    assert not recordings(agent.serializer, pack_documents([document_cut], len(document_cut)), INSTRUCTION)


def test_the_loss_is_next_token_and_the_weighted_mean_over_recordings() -> None:
    agent = spelling_agent().eval()
    batch = packed(agent, [recording("hello"), caption_episode(), recording("so be it")])
    total, figures = beside(weight=0.25, text=2.0).build()(agent, batch)
    told, _ = next_token.Config(weights={"text": 2.0}).build()(agent, batch)
    apart = []
    with torch.no_grad():
        for said in ("hello", "so be it"):
            sequence = agent.serializer.episode(recording(said))
            alone = pack_documents([Document(sequence=sequence, source=0, episode=0)], len(sequence))
            x_BTD = agent.embed_slots(alone.payload, alone.slot_N, alone.local_BT)
            assert agent.ctc is not None
            log_p = agent.ctc(x_BTD[0, alone.slot_N["sound"]])
            apart.append(float(ctc_loss(log_p, [len(log_p)], [said])) / len(said))
    assert figures["recordings"] == 2
    assert figures["loss/spelling"] == pytest.approx(np.mean(apart), rel=1e-4)
    assert float(total.detach()) == pytest.approx(float(told.detach()) + 0.25 * np.mean(apart), rel=1e-4)


def test_the_encoder_learns_to_spell_and_the_agent_spells_alone() -> None:
    agent = spelling_agent().train()
    words = ["cab", "fade", "bead"]
    batch = packed(agent, [recording(word) for word in words], length=128)
    objective = beside(weight=1.0).build()
    optimizer = torch.optim.Adam(agent.parameters(), lr=5e-3)
    for _ in range(150):
        loss, figures = objective(agent, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert figures["loss/spelling"] < 0.2
    assert [agent.eval().spell(recording(word).observations["audio"][0]) for word in words] == words


def test_without_a_head_it_says_what_to_do_and_without_recordings_it_needs_none() -> None:
    agent = spelling_agent(ctc=None)
    with pytest.raises(ValueError, match=r"holds 1 recordings to be spelt, .* give its config `ctc`"):
        beside().build()(agent, packed(agent, [recording("hello")]))
    plain = packed(agent, [caption_episode()])
    assert torch.equal(beside().build()(agent, plain)[0], next_token.Config().build()(agent, plain)[0])
    with pytest.raises(ValueError, match="no head to spell"):
        agent.spell(b"")


# Behind the trunk


def heard_by_an_encoder(**changes: object) -> Agent:
    """Its trunk sees both ways, and its head reads what that makes of a sound."""
    both = trunk.Config(width=32, depth=2, heads=4, hidden=48)
    return spelling_agent(backbone=both, ctc=head.Config(steps=2, after_trunk=True), **changes)


def test_behind_the_trunk_a_sound_is_read_alone() -> None:
    """Neither its words, which the trunk would see, nor its neighbours, nor the instruction are read with it."""
    agent = heard_by_an_encoder().eval()
    sharpen(agent.backbone)
    episode = recording("hello")
    lied = dataclasses.replace(episode, actions={"text": objects(["olleh"])})
    sound = episode.observations["audio"][0]
    slots = slots_of([read_as_seen(agent, [sound])], agent.device)
    x_BTD = agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
    with torch.no_grad():
        expected = agent.spelling(x_BTD, slots.slot_N["sound"], slots.places)
        for told in (episode, lied):
            batch = packed(agent, [recording("so be it"), told, caption_episode()])
            (slot_N,) = [slot_N for slot_N, text in recordings(agent.serializer, batch, INSTRUCTION) if "o" in text][1:]
            x_BTD = agent.embed_slots(batch.payload, batch.slot_N, batch.local_BT)
            log_p = agent.spelling(x_BTD, slot_N, (batch.document_BT, batch.position_BT, batch.prompt_BT))
            torch.testing.assert_close(log_p, expected, atol=2e-4, rtol=1e-4)


def test_an_encoder_learns_to_spell_from_scratch() -> None:
    agent = heard_by_an_encoder().train()
    words = ["cab", "fade", "bead"]
    batch = packed(agent, [recording(word) for word in words], length=128)
    objective = ctc.Config().build()
    assert objective.terms(batch) == 3
    before = {name: weight.clone() for name, weight in agent.backbone.state_dict().items()}
    optimizer = torch.optim.Adam(agent.parameters(), lr=3e-3)
    for _ in range(150):
        loss, figures = objective(agent, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert figures == {"loss/spelling": pytest.approx(float(loss.detach())), "recordings": 3.0}
    assert figures["loss/spelling"] < 0.2
    assert all(not torch.equal(weight, before[name]) for name, weight in agent.backbone.state_dict().items())
    assert [agent.eval().spell(recording(word).observations["audio"][0]) for word in words] == words


def test_spelling_alone_needs_a_head_behind_the_trunk_and_nothing_else() -> None:
    agent = heard_by_an_encoder()
    loss, figures = ctc.Config().build()(agent, packed(agent, [caption_episode()]))
    assert (float(loss.detach()), figures) == (0.0, {"recordings": 0.0})
    loss.backward()
    for other in (spelling_agent(), spelling_agent(ctc=None)):
        with pytest.raises(ValueError, match="no head behind its trunk"):
            ctc.Config().build()(other, packed(other, [recording("hello")]))
    assert ctc.Config().instruction == INSTRUCTION
