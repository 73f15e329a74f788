"""Simple methods on items where it is known what they must reach."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opengato.core.episode import Episode, document
from opengato.core.film import write_film
from opengato.data.store import StoreWriter
from opengato.evaluators.imported import BASELINES
from opengato.sources.answers import answered, dialogue
from tests.house import ROOT
from tests.tiny import png

pytest.importorskip("sklearn")
pytest.importorskip("sacrebleu")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("_baselines")


def reviews(count: int, seed: int, words: dict[str, list[str]], joint: str) -> list[Episode]:
    """Items whose label stands in one of their words, every third of them "bad"."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        label = "bad" if number % 3 == 0 else "good"
        text = joint.join([*rng.choice(words["both"], 3), rng.choice(words[label]), *rng.choice(words["both"], 3)])
        found.append(answered("sentiment/vader-tweets", text, label, instruction="?"))
    return found


ENGLISH = {"both": ["the", "film", "was", "seen", "by", "me"], "good": ["great", "lovely"], "bad": ["dull", "awful"]}
CHINESE = {"both": list("这本书我昨天看了"), "good": ["很好", "不错"], "bad": ["太差", "失望"]}


@pytest.mark.parametrize(("words", "joint", "kind"), [(ENGLISH, " ", "words"), (CHINESE, "", "characters")])
def test_labels(script: Any, words: dict[str, list[str]], joint: str, kind: str) -> None:
    found = script.labels(reviews(120, 0, words, joint), reviews(30, 1, words, joint))
    assert found["majority"] == pytest.approx(2 / 3)
    assert found[f"TF-IDF of {kind} + logistic regression"] == 1.0


def test_labels_that_the_text_does_not_tell_are_the_majority(script: Any) -> None:
    same = [answered("topic/x", "the same", "a" if i < 20 else "b", instruction="?") for i in range(30)]
    found = script.labels(same, same)
    assert found == {"majority": 2 / 3, "TF-IDF of words + logistic regression": 2 / 3}


def test_translations_come_from_the_nearest_line(script: Any) -> None:
    train = [answered("translate/x", f"Satz {w}", f"sentence {w}", instruction="?") for w in ("eins", "zwei", "drei")]
    assert script.translations(train, train[::-1]) == {"nearest training line": pytest.approx(100)}
    other = [answered("translate/x", "Satz zwei", "sentence eins", instruction="?")]
    assert 0 < script.translations(train, other)["nearest training line"] < 100


def test_replies_come_from_the_nearest_turn(script: Any) -> None:
    words = [f"{one}{other}" for one in ("ba", "ko", "lu", "mi", "ze") for other in ("dor", "fin", "gal", "tup")]
    talks = [dialogue("chat/x", [(f"what about {word}?", f"{word} is fine")]) for word in words]
    assert script.replies(talks, talks) == {"TF-IDF retrieval": 1.0}
    turned = [
        dialogue("chat/x", [(f"what about {a}?", f"{b} is fine")]) for a, b in zip(words, words[::-1], strict=True)
    ]
    assert script.replies(turned, talks)["TF-IDF retrieval"] < 0.3


def square(colour: int, frames: int = 0, step: tuple[int, int] = (0, 0)) -> np.ndarray:
    """A bright square on black, 64 x 64; of a film, it moves by `step` (down, right) from frame to frame."""
    pixels = np.zeros((max(1, frames), 64, 64, 3), np.uint8)
    for number, frame in enumerate(pixels):
        row, column = (28 + part * (number - frames // 2) for part in step)
        frame[row : row + 8, column : column + 8] = colour
    return pixels if frames else pixels[0]


def shades(count: int, captions: Sequence[str]) -> list[Episode]:
    """Pictures whose brightness tells the caption."""
    return [
        document("caption/x", caption, image=png(square(60 + 8 * number)), instruction="?")
        for number, caption in enumerate(captions[:count])
    ]


WORDS = [f"{one}{other}" for one in ("ba", "ko", "lu", "mi", "ze") for other in ("dor", "fin", "gal", "tup", "wes")]


def test_texts_of_the_nearest_pictures_fit(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = importlib.import_module("_pairs")
    monkeypatch.setattr(pairs, "NEAREST", 1)
    items = shades(20, WORDS)
    assert pairs.captions(items, items) == {"captions of 1 nearest": 1.0}
    assert pairs.retrieval(items, items) == {"texts of 1 nearest": 1.0}
    assert pairs.anomalies(items, items) == {"texts of 1 nearest": 1.0}
    others = shades(20, WORDS[7:20] + WORDS[:7])
    assert pairs.captions(items, others)["captions of 1 nearest"] < 0.3, "each looks like another"
    assert pairs.anomalies(items, others)["texts of 1 nearest"] < 0.6


def test_bits_of_ids_by_hand(script: Any) -> None:
    """Training pictures of two cells and three ids: 0 1 and 0 2. Frequencies with one more of each: 3, 2 and 2 of 7."""
    drawings = importlib.import_module("_drawings")
    counts = drawings.count(np.array([[0, 1], [0, 2]]), 3)
    asked, near = np.array([[0, 1]]), np.array([[0, 0]])
    by_frequency = -math.log2(3 / 7) - math.log2(2 / 7)
    assert drawings.bits(asked, counts, math.inf, math.inf, near, 0.0) == pytest.approx(by_frequency)
    first = (2 + 3 / 7) / 3  # both begin with 0; strength 1
    second = (1 + (1 + 2 / 7) / 3) / 3  # at this cell, then after 0
    assert drawings.bits(asked, counts, 1.0, 1.0, near, 0.0) == pytest.approx(-math.log2(first) - math.log2(second))
    copied = -math.log2(0.5 * first + 0.5) - math.log2(0.5 * second)
    assert drawings.bits(asked, counts, 1.0, 1.0, near, 0.5) == pytest.approx(copied)


def test_which_way_a_film_moves_is_told_by_its_path(script: Any) -> None:
    pytest.importorskip("av")
    ways = {"right": (0, 3), "left": (0, -3), "down": (3, 0), "up": (-3, 0)}
    films = [
        document("video/x", way, video=write_film(square(shade, 8, step), 4, lossless=True), instruction="?")
        for way, step in ways.items()
        for shade in (120, 180, 240)
    ]
    assert script.labels(films[::2], films[1::2])["path of what moves + logistic regression"] == 1.0
    turned = np.stack([square(200, 8, (0, 3))[k] if k < 4 else square(200, 8, (3, 0))[k] for k in range(8)])
    shown = importlib.import_module("_shown")
    assert np.isfinite(shown.path(turned.astype(np.float32))).all()


def test_answers_about_the_nearest_picture(script: Any) -> None:
    asked = [replace(item, instruction="what is it?") for item in shades(6, ["one", "two", "two", "six", "two", "ten"])]
    found = script.answers(asked, asked)
    assert found == {"most frequent answer to the question": 0.5, "nearest picture with the question": 1.0}
    new = [replace(item, instruction="and this?") for item in asked[:1]]
    assert script.answers(asked, new)["nearest picture with the question"] == 1.0, "a question never asked"


def test_a_file_keeps_what_it_says_of_other_tasks(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "SOURCES", tmp_path)
    path = tmp_path / "vader" / BASELINES
    path.parent.mkdir()
    path.write_text(json.dumps({"items": {"x/vader": {}}, "tasks": {"x/vader": {"kNN": 0.5}}}))
    for split, count in (("train", 60), ("test", 9)):
        with StoreWriter(tmp_path / "data" / "vader" / split) as writer:
            writer.append(reviews(count, 0, ENGLISH, " "))
    script.write("vader", ["sentiment/vader-tweets"], tmp_path / "data")
    body = json.loads(path.read_text())
    assert body["tasks"]["x/vader"] == {"kNN": 0.5}
    assert body["tasks"]["sentiment/vader-tweets"]["majority"] == 0.6667
    assert body["items"]["sentiment/vader-tweets"] == {"train": 60, "test": 9}
    assert body["command"] == "python benchmarks/_baselines.py vader"
