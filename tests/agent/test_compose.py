"""Messages of text and pictures: laid out as said, written in their order, ended by their end marker.

Letters: B rows, N positions, D width.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from opengato.agent.model import Agent
from opengato.agent.slots import slots_of
from opengato.agent.stream import Letters
from opengato.core.backbone import CachedBackbone
from opengato.core.episode import ArraySpec, Episode, objects
from opengato.core.modality import Sampling
from opengato.core.sequence import TokenSequence
from opengato.core.serialize import PART, TEXT, begin_of
from opengato.core.views import COMPOSE, PICTURE, as_composed
from opengato.data.documents import DocumentMaker
from opengato.data.mixture import Source, SourceConfig
from opengato.data.rules import Rules
from opengato.modalities import text
from opengato.modalities.image.tokens import Config
from opengato.modalities.token_table import TokenTable
from tests.data.fakes import write_store
from tests.tiny import caption_episode, png, vector_config

CODEC = text.Config(marks=True).codec()
BEGIN, CELLS = CODEC.num_pieces, 64


def composing_agent(marks: bool = True, seed: int = 0) -> Agent:
    config = vector_config(window=256)
    routes = {**config.routes, "action/image": "ids", **({"mark": "text"} if marks else {})}
    modalities = {**config.modalities, "text": text.Config(marks=marks), "ids": Config()}
    torch.manual_seed(seed)
    return dataclasses.replace(config, modalities=modalities, routes=routes, context=256).build().eval()


def message(*parts: str | bytes, instruction: str = COMPOSE) -> Episode:
    """One answer of these texts and pictures."""
    names = [f"{PART}{number:06d}" for number in range(len(parts))]
    specs = {name: TEXT if isinstance(part, str) else PICTURE for name, part in zip(names, parts, strict=True)}
    return Episode(
        task="toy/message",
        instruction=instruction,
        observation_specs={},
        action_specs=specs,
        observations={},
        actions={name: objects([part]) for name, part in zip(names, parts, strict=True)},
        rewards=np.zeros(1, np.float32),
    ).validate()


def picture(seed: int) -> bytes:
    return png(np.random.default_rng(seed).integers(0, 256, (16, 16, 3)).astype(np.uint8))


def said(sequence: TokenSequence) -> list[str]:
    """Pieces and marks of what is predicted, each run of ids as one."""
    rows = [(name, row) for (_, name, row, _, _), told in zip(sequence.rows(), sequence.predict_T, strict=True) if told]
    pieces = [CODEC.piece(int(row)) if name == "text" else name for name, row in rows]
    return [piece for t, piece in enumerate(pieces) if piece != "ids" or pieces[t - 1] != "ids"]


def words(line: str) -> list[str]:
    return [CODEC.piece(i) for i in CODEC.encode([line], TEXT, "observation")[0].tolist()]


MESSAGES: list[tuple[Any, ...]] = [
    ("a red panda", picture(0)),
    (picture(1), "and", picture(2), "are two pictures"),
    (picture(3),),
    ("nothing to be seen",),
]


@pytest.mark.parametrize("parts", MESSAGES)
def test_a_message_is_laid_out_as_said(parts: tuple[Any, ...]) -> None:
    """Texts as they are, pictures between marks, one end marker and it comes last."""
    sequence = composing_agent().serializer.episode(message(*parts))
    expected: list[str] = []
    for part in parts:
        expected += words(part) if isinstance(part, str) else ["<image>", "ids", "</image>"]
    assert said(sequence) == [*expected, "</s>"]
    assert DocumentMaker(composing_agent().serializer).length(message(*parts)) == len(sequence)


def forced(agent: Agent, sequence: TokenSequence, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Make the agent say what is predicted in a sequence; what it then reads, position by position."""
    rows = [(name, row) for (_, name, row, _, _), told in zip(sequence.rows(), sequence.predict_T, strict=True) if told]
    ends = {CODEC.num_pieces + 1}  # </image> is put in by the rule, not asked for
    queue = [(name, int(row)) for name, row in rows if not (name == "text" and int(row) in ends)]
    seen: list[torch.Tensor] = []

    def say(self: TokenTable, h_ND: torch.Tensor, specs: tuple[ArraySpec, ...], sampling: Any) -> torch.Tensor:
        name, row = queue.pop(0)
        assert self is agent.modality(name)
        assert any(self.codec.allowed(spec)[row] for spec in specs), "the head could not have said so"
        return torch.tensor([row])

    assert isinstance(agent.backbone, CachedBackbone)
    extend: Callable[..., torch.Tensor] = agent.backbone.extend

    def note(x_BTD: torch.Tensor, *places: Any) -> torch.Tensor:
        seen.extend(x_BTD[0])
        return extend(x_BTD, *places)

    monkeypatch.setattr(TokenTable, "sample_any", say)
    monkeypatch.setattr(agent.backbone, "extend", note)
    return seen


@pytest.mark.parametrize("parts", MESSAGES)
def test_what_is_written_is_what_training_lays_out(parts: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    agent = composing_agent()
    sequence = agent.serializer.episode(message(*parts))
    seen = forced(agent, sequence, monkeypatch)
    written = agent.compose(COMPOSE)
    assert [type(part) for part in written] == [str if isinstance(p, str) else Image.Image for p in parts]
    codec = agent.serializer.codecs["ids"]
    for mine, given in zip(written, parts, strict=True):
        if isinstance(mine, str):
            assert mine == given
        else:
            ids = codec.encode(objects([given]), PICTURE, "action")[0]
            np.testing.assert_array_equal(np.asarray(mine), codec.decode(ids, PICTURE))
    x_BTD = agent.embed_slots(*slots(agent, sequence))
    torch.testing.assert_close(torch.stack(seen), x_BTD[0, :-1], msg="all but the end marker was read as in training")


def slots(agent: Agent, sequence: TokenSequence) -> tuple[Any, ...]:
    made = slots_of([sequence], agent.device)
    return made.payload, made.slot_N, made.local_BT


def test_it_stops_where_told_and_finishes_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = composing_agent()
    seen = forced(agent, agent.serializer.episode(message("a", picture(0), "b", picture(1))), monkeypatch)
    given = len(agent.serializer.prompt(COMPOSE))
    written = agent.compose(COMPOSE, max_new_tokens=len(words("a")) + 1)
    assert [type(part) for part in written] == [str, Image.Image]
    assert len(seen) == given + len(words("a")) + CELLS + 2


def test_drawn_by_lot_it_writes_only_what_may_come() -> None:
    agent = composing_agent(seed=3)
    table = agent.modality("text")
    assert isinstance(table, TokenTable)
    with torch.no_grad():
        table.table.weight[BEGIN:] += 0.1  # so that all marks are likely
    first, again = (agent.compose("go", max_new_tokens=80, seed=5) for _ in range(2))
    assert all(isinstance(part, str | Image.Image) for part in first)
    assert [str(part) for part in first if isinstance(part, str)] == [str(p) for p in again if isinstance(p, str)]
    ids = {int(table.sample_any(torch.zeros(1, 32), (TEXT, begin_of("image")), _lot(seed))) for seed in range(300)}
    assert not ids & {BEGIN + 1, BEGIN + 2, BEGIN + 3, BEGIN + 4, BEGIN + 5}, "of marks only <image>"


def _lot(seed: int) -> Sampling:
    return Sampling(temperature=1.0, generator=torch.Generator().manual_seed(seed))


def test_of_marks_those_within_bounds_may_be_written() -> None:
    for number, kind in enumerate(("image", "audio", "video")):
        [allowed] = np.flatnonzero(CODEC.allowed(begin_of(kind)))  # ty: ignore[invalid-argument-type]
        assert CODEC.piece(int(allowed)) == f"<{kind}>"
        assert allowed == BEGIN + 2 * number


def test_who_writes_text_alone_says_so() -> None:
    with pytest.raises(ValueError, match="writes text alone"):
        composing_agent(marks=False).compose("draw something")
    with pytest.raises(ValueError, match=r"a message of \['text', 'image'\] can only be written with marks"):
        composing_agent(marks=False).serializer.episode(message("a", picture(0)))


def test_a_share_of_captioned_pictures_become_messages(tmp_path: Any) -> None:
    store = write_store(tmp_path / "store", lambda seed: caption_episode(seed, "a red apple"), episodes=4)
    maker = DocumentMaker(composing_agent().serializer)
    source = Source("x", SourceConfig(path=store, rules=Rules(composed=0.3, drawn=0.3)), maker, 256)
    views = [source.documents(1, 256, np.random.default_rng(seed))[0] for seed in range(200)]
    for view, sequence in views:
        if view == "composed":
            assert said(sequence) == [*words("a red apple"), "<image>", "ids", "</image>", "</s>"]
    assert 30 <= sum(view == "composed" for view, _ in views) <= 95
    assert 30 <= sum(view == "drawn" for view, _ in views) <= 95
    assert as_composed(caption_episode(1, "a red apple")).instruction == COMPOSE


def test_letters_wait_until_their_bytes_are_there() -> None:
    codec = text.Config().codec()
    ids = codec.encode(["a \U0001f98a!"], TEXT, "observation")[0]
    letters, told = Letters(codec), []
    for row in ids:
        told.append("".join(letters.add(np.array([row]))))
    assert "".join([*told, *letters.rest()]) == "a \U0001f98a!"
    assert not any("\ufffd" in piece for piece in told)
