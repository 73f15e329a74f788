"""Writing text: laid out as in training, stopped by the end marker, the same with a cache as without.

Letters: B rows, T slots, N positions, D width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from opengato.agent import generate
from opengato.agent.inputs import read
from opengato.agent.model import Agent
from opengato.agent.slots import slots_of
from opengato.core.episode import ArraySpec, document
from opengato.core.modality import Sampling
from opengato.core.sequence import concatenate
from opengato.modalities import text
from opengato.modalities.token_table import TokenTable
from tests.tiny import ENCODINGS, assert_same_sequence, caption_episode, png, tiny_agent

TEXT = ArraySpec(name="text", kind="text", dtype="str")
EOS = text.Config().codec().eos
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)


def write(agent: Agent, script: list[int], monkeypatch: pytest.MonkeyPatch, **settings: Any) -> tuple[str, int]:
    """What is generated, and after how many samples, where the head says `script`, then the same for ever."""
    asked = 0

    def say(self: TokenTable, h_ND: torch.Tensor, spec: ArraySpec, sampling: Sampling) -> torch.Tensor:
        nonlocal asked
        asked += 1
        return torch.tensor([script[min(asked, len(script)) - 1]])

    monkeypatch.setattr(TokenTable, "sample", say)
    return agent.generate("Once", **settings), asked


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_it_stops_at_the_end_marker_and_not_before(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = tiny_agent(encoding)
    codec = agent.serializer.codecs[agent.serializer.layout.modality("action", TEXT)]
    ids = codec.encode([" upon a time"], TEXT, "action")[0].tolist()
    assert write(agent, ids, monkeypatch) == (" upon a time", len(ids))
    written, asked = write(agent, ids[:2], monkeypatch, max_new_tokens=5)
    assert asked == 5, "what never ends is cut"
    assert written.startswith(" upon")
    assert write(agent, ids[-1:], monkeypatch) == ("", 1)
    assert write(agent, ids, monkeypatch, max_new_tokens=0) == ("", 0)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_read_is_what_training_lays_out(encoding: str) -> None:
    """A text goes on where its document has begun; a picture's caption follows its instruction and the picture."""
    agent = tiny_agent(encoding)
    for episode, given in (
        (document("text/toy", "Once upon a time"), ["Once upon a time"]),
        (document("text/toy", ""), []),
        (caption_episode(), ["describe the picture", caption_episode().observations["image"][0]]),
        (caption_episode(), [caption_episode().observations["image"][0], "describe the picture"]),
    ):
        whole = agent.serializer.episode(episode)
        received = read(agent, given)
        written = 1 if not episode.observations else int(whole.predict_T.sum())
        assert len(received) == len(whole) - written
        assert_same_sequence(received, whole.take(np.arange(len(whole)) < len(whole) - written))


def test_pictures_may_be_arrays_encoded_or_pillow_of_any_mode() -> None:
    agent = tiny_agent()
    expected = read(agent, [PIXELS])
    assert_same_sequence(read(agent, [png(PIXELS)]), expected)
    picture = Image.fromarray(PIXELS)
    assert_same_sequence(read(agent, [picture]), expected)
    assert_same_sequence(read(agent, [picture.convert("RGBA")]), expected)
    assert len(read(agent, [picture.convert("L"), picture.convert("P")])) == 2 * len(expected) - agent_prompt(agent)
    with pytest.raises(ValueError, match=r"received uint8\(8, 8\); expected a string, a picture"):
        read(agent, [PIXELS[:, :, 0]])


def agent_prompt(agent: Agent) -> int:
    return len(agent.serializer.prompt(""))


@pytest.mark.parametrize("given", [["Once upon"], [PIXELS, "describe"], "", [PIXELS, PIXELS]])
@torch.inference_mode()
def test_writing_with_a_cache_is_writing_without(given: Any) -> None:
    agent = tiny_agent(window=12, seed=3)
    drawn = Sampling(temperature=1.0, top_p=0.95, generator=torch.Generator().manual_seed(4))
    modality = agent.modality("text")
    inputs = [given] if isinstance(given, str) else given
    sequence, written = read(agent, inputs), []
    decoding = generate.Decoding(agent, 1)
    for _ in range(24):
        slots = slots_of([sequence], agent.device)
        x_BTD = agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
        h_BTD = agent.backbone(x_BTD, torch.zeros_like(slots.position_BT), slots.position_BT, slots.prompt_BT)
        token = modality.sample(h_BTD[:, -1], TEXT, drawn).numpy()
        if token.item() == EOS:
            break
        written.append(token)
        decoding.length[0] = len(sequence)
        sequence = concatenate([sequence, decoding.sequence("text", 0, token, step=0)])
    assert len(set(np.concatenate(written).tolist())) > 10
    received = agent.generate(given, max_new_tokens=24, temperature=1.0, seed=4, top_p=0.95)
    assert received == agent.serializer.codecs["text"].decode(np.concatenate(written), TEXT)


def test_a_seed_decides_what_is_drawn() -> None:
    agent = tiny_agent()
    first, again, other = (agent.generate("Once", 12, temperature=1.0, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_stream_is_what_is_generated_and_never_half_a_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chinese is written in bytes, three a letter: a piece waits until its letter is whole."""
    agent = tiny_agent()
    codec = agent.serializer.codecs["text"]
    ids = codec.encode(["a 打开 z"], TEXT, "action")[0].tolist()
    assert len(ids) > 8
    whole, asked = write(agent, ids, monkeypatch)
    assert (whole, asked) == ("a 打开 z", len(ids))
    asked_before = iter(ids)
    monkeypatch.setattr(TokenTable, "sample", lambda *_: torch.tensor([next(asked_before)]))
    pieces = list(agent.stream("Once"))
    assert "".join(pieces) == whole
    assert len(pieces) > 3, "as it comes"
    assert not any("\ufffd" in piece for piece in pieces)
    broken = iter(ids[:4])  # stopped in the middle of a letter
    monkeypatch.setattr(TokenTable, "sample", lambda *_: torch.tensor([next(broken)]))
    assert "".join(agent.stream("Once", max_new_tokens=4)) == codec.decode(np.array(ids[:4]), TEXT)


def test_a_stream_ends_when_nobody_listens() -> None:
    pieces = tiny_agent().stream("Once", max_new_tokens=1000, temperature=1.0)
    assert isinstance(next(pieces), str)
    pieces.close()
    assert list(pieces) == []
