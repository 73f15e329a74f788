"""Simple methods on items where it is known what they must reach."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opengato.core.episode import Episode
from opengato.data.store import StoreWriter
from opengato.evaluators.imported import BASELINES
from opengato.sources.answers import answered, dialogue
from tests.house import ROOT

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
