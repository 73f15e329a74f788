"""Questions that texts ask of themselves: their answers are in the text they come from."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from opengato.core.episode import document
from opengato.core.views import GAPS, NEXT
from opengato.data.mixture import Mixture, MixtureConfig, SourceConfig
from opengato.data.questions import followed, gapped
from opengato.data.rules import Rules
from opengato.data.store import StoreWriter
from tests.tiny import caption_episode, vector_config

SENTENCES = [f"Sentence {number} is about {thing}." for number, thing in enumerate("tea rain wool salt iron".split())]
TEXT = document("text/toy", " ".join(SENTENCES))
OTHER = document("text/toy", "Nothing of the kind! Was it so? It was not.")


def test_half_of_the_second_sentences_follow() -> None:
    generator, answers = np.random.default_rng(0), Counter[str]()
    for _ in range(400):
        asked = followed(TEXT, OTHER, 100, generator)
        assert asked is not None
        first, second = (str(values[0]) for values in asked.validate().observations.values())
        answer = str(asked.actions["answer"][0])
        assert asked.instruction == NEXT
        follows = second in SENTENCES and SENTENCES.index(second) == SENTENCES.index(first) + 1
        assert answer == ("yes" if follows else "no")
        answers[answer] += 1
    assert 160 < answers["yes"] < 240
    assert followed(document("text/toy", "Only one."), OTHER, 100, generator) is None
    short = followed(TEXT, OTHER, 8, generator)
    assert short is not None
    assert all(len(str(values[0])) <= 8 for values in short.observations.values())


def test_gaps_hold_what_is_missing() -> None:
    words = [f"w{number}" for number in range(80)]
    generator, missing = np.random.default_rng(1), Counter[str]()
    for _ in range(200):
        asked = gapped(document("text/toy", " ".join(words)), 10_000, generator)
        assert asked is not None
        assert asked.validate().instruction == GAPS
        left, answer = str(next(iter(asked.observations.values()))[0]), str(asked.actions["answer"][0])
        parts = dict(re.findall(r"(<\d+>) ([^<]*)", answer + " "))
        whole = left
        for mark, inside in parts.items():
            assert len(inside.split()) == 3
            missing.update(inside.split())
            whole = whole.replace(mark, inside.strip())
        assert whole.split() == words
        assert len(parts) == 4, "15 % of 80 words, three at a time"
    assert missing["w0"] == 0
    assert min(missing[word] for word in words[3:-3] if word not in ("w20", "w40", "w60")) > 0
    assert gapped(document("text/toy", "too few words"), 99, generator) is None


def test_the_rules_ask_of_plain_text_alone(tmp_path: Path) -> None:
    """Questions fit their rows, and what is not asked is read as ever."""
    with StoreWriter(tmp_path / "prose") as writer:
        for number in range(6):
            writer.append([document("text/toy", " ".join(f"Line {number} {i} is of salt." for i in range(30)))])
    with StoreWriter(tmp_path / "captions") as writer:
        writer.append([caption_episode(1)])
    serializer = vector_config().serializer()

    def mixture(store: str, rules: Rules) -> Mixture:
        source = SourceConfig(path=str(tmp_path / store), rules=rules)
        return Mixture(MixtureConfig(sources={"it": source}, length=96, rows_per_group=4), serializer)

    made, views = mixture("prose", Rules(followed=0.4, gapped=0.4)), Counter[str]()
    for group in map(made.group, range(12)):
        for found in (found for row in group for found in row):
            assert len(found) <= 96
            seen = (found.sequence.local_T >= 0).any()
            assert bool(seen) == (found.view in ("followed", "gapped"))
            assert found.sequence.predict_T.any()
    generator = np.random.default_rng(0)
    for index in range(600):
        [(view, _)] = made.sources[0].documents(index % 6, 96, generator)
        views[view] += 1
    total = sum(views.values())
    np.testing.assert_allclose([views[v] / total for v in ("followed", "gapped")], [0.4, 0.4], atol=0.06)
    with pytest.raises(ValueError, match="is no plain text, which `followed` and `gapped` are for"):
        mixture("captions", Rules(gapped=0.5))
    with pytest.raises(ValueError, match="takes no `rules` but `followed` and `gapped`"):
        mixture("prose", Rules(instructions=0.5))
