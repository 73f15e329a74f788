"""Inputs of any kind, in any order, laid out as in training."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opengato.agent.inputs import read
from opengato.core.media import as_field, wav
from tests.tiny import png, tiny_agent

PICTURE = png(np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8))


def test_words_on_one_side_are_the_instruction() -> None:
    agent = tiny_agent()
    before, after = read(agent, ["what is", "this", PICTURE]), read(agent, [PICTURE, "what is this"])
    assert before.prompt_length == after.prompt_length > 2
    assert (before.modality_T == after.modality_T).all()
    assert all((before.payload[name] == after.payload[name]).all() for name in before.payload)


def test_words_between_stay_between() -> None:
    agent = tiny_agent()
    sequence = read(agent, [PICTURE, "and", PICTURE])
    assert sequence.prompt_length == 1, "the begin marker alone"
    runs = [sequence.names[i] for i in sequence.modality_T]
    runs = [name for t, name in enumerate(runs) if t == 0 or runs[t - 1] != name]
    assert runs == ["text", "image", "text", "image"]


def test_every_way_to_give_a_picture(tmp_path: Path) -> None:
    picture = Image.open(io.BytesIO(PICTURE))
    (tmp_path / "a.png").write_bytes(PICTURE)
    pixels = np.asarray(picture.convert("RGB"))
    agent = tiny_agent()
    wanted = read(agent, [PICTURE, "look"]).payload["image"]
    for item in (picture, pixels, tmp_path / "a.png"):
        assert (read(agent, [item, "look"]).payload["image"] == wanted).all()


def test_kinds() -> None:
    assert as_field("go")[0].kind == "text"
    assert as_field(PICTURE)[0].kind == "image"
    assert as_field(np.zeros((5, 8, 8, 3), np.uint8))[0].kind == "video"
    spec, value = as_field((np.zeros(16), 8000))
    assert spec.kind == "audio"
    assert value == wav(np.zeros(16), 8000)
    assert as_field(value)[0].kind == "audio"


def test_what_is_neither_is_told() -> None:
    with pytest.raises(ValueError, match=r"received float64\(3,\); expected a string, a picture"):
        as_field(np.zeros(3))
    with pytest.raises(ValueError, match="received int; expected"):
        as_field(7)
