"""Marks around pictures, absent values, and the parts of a message in their order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from opengato.core.episode import MEDIA_SPECS, ArraySpec, Episode, document, objects
from opengato.core.sequence import TokenSequence
from opengato.core.serialize import Serializer
from opengato.data.documents import DocumentMaker
from opengato.modalities import text
from tests.tiny import caption_episode, png, vector_config

PICTURE = png(np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8))
WORDS = ArraySpec(name="words", kind="text", dtype="str")


def marked() -> Serializer:
    config = vector_config()
    modalities = {**config.modalities, "text": text.Config(marks=True)}
    return replace(config, modalities=modalities, routes={**config.routes, "mark": "text"}).serializer()


def shown(made: Serializer, sequence: TokenSequence) -> list[str]:
    """Each position: a piece of text, or the name of its modality."""
    codec = made.codecs["text"]
    assert isinstance(codec, text.TextCodec)
    return [codec.piece(int(row)) if name == "text" else name for _, name, row, _, _ in sequence.rows()]


def test_marks_stand_around_a_picture() -> None:
    made, episode = marked(), caption_episode()
    positions = shown(made, made.episode(episode))
    begin, end = positions.index("<image>"), positions.index("</image>")
    assert set(positions[begin + 1 : end]) == {"image"}
    assert positions.count("image") == end - begin - 1 > 0
    without = vector_config().serializer().episode(episode)
    assert len(made.episode(episode)) == len(without) + 2
    assert DocumentMaker(made).length(episode) == len(without) + 2


def test_a_step_without_a_picture_has_no_marks_either() -> None:
    two = document("toy/pictures", "here", image=PICTURE)
    episode = replace(
        two,
        observations={"image": objects([b"", PICTURE])},
        actions={"caption": objects(["none", "one"])},
        rewards=np.zeros(2, np.float32),
    ).validate()
    made = marked()
    sequence = made.episode(episode)
    positions = np.array(shown(made, sequence))
    assert "image" not in positions[sequence.step_T == 0]
    assert "<image>" not in positions[sequence.step_T == 0]
    assert (positions[sequence.step_T == 1] == "<image>").sum() == 1


def test_parts_are_read_in_their_order() -> None:
    """Text between two pictures stays between them, though texts come first otherwise."""
    picture = MEDIA_SPECS["image"]
    specs = {"part 000002": picture, "part 000001": WORDS, "part 000000": picture, "note": WORDS}
    values = {"part 000000": PICTURE, "part 000001": "and", "part 000002": PICTURE, "note": "look"}
    made = marked()
    positions = shown(made, made.observation(specs, values, 0, 0))
    kinds = [p if p.startswith("<") else "word" for p in positions if p != "image"]
    kinds = [kind for t, kind in enumerate(kinds) if t == 0 or kinds[t - 1] != kind]
    assert kinds == ["word", "<image>", "</image>", "word", "<image>", "</image>"]


def test_marks_of_a_predicted_picture_are_predicted() -> None:
    """So that a model says by itself that a picture comes next."""
    image = MEDIA_SPECS["image"]
    episode = Episode(
        task="toy/draw",
        instruction="draw",
        observation_specs={},
        action_specs={"image": image},
        observations={},
        actions={"image": objects([PICTURE])},
        rewards=np.zeros(1, np.float32),
    )
    config = vector_config()
    routes = {**config.routes, "mark": "text", "action/image": "image"}
    made = replace(
        config, modalities={**config.modalities, "text": text.Config(marks=True)}, routes=routes
    ).serializer()
    sequence = made.episode(episode)
    positions = shown(made, sequence)
    assert [sequence.predict_T[positions.index(mark)] for mark in ("<image>", "</image>")] == [True, True]


def test_a_table_without_room_for_marks_is_told() -> None:
    config = vector_config()
    made = replace(config, routes={**config.routes, "mark": "text"}).serializer()
    with pytest.raises(ValueError, match="marks=True"):
        made.episode(caption_episode())


def test_marks_are_never_written_as_text() -> None:
    codec = text.Config(marks=True).codec()
    assert codec.allowed(WORDS).sum() == text.Config().codec().allowed(WORDS).sum()
    assert codec.num_ids == text.Config().codec().num_ids + 6
    assert codec.decode(np.array([codec.num_pieces, codec.eos]), WORDS) == ""
