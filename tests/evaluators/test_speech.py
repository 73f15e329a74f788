"""Error rates by hand and by all ways of editing; an agent whose transcripts are known."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opengato.core.episode import Episode, document
from opengato.core.media import wav
from opengato.data.store import StoreWriter
from opengato.evaluators import Settings, run_task
from opengato.evaluators.speech import edits
from tests.evaluators.fakes import ByteCodec, FakeAgent, written

TASK = "speech/asterisk"
SOUND = wav(np.zeros(800), 8000)


def recording(said: str) -> Episode:
    return document(TASK, said, audio=SOUND, instruction="write down what is said")


@pytest.fixture
def prompts(tmp_path: Path) -> Settings:
    for split, sentences in (("train", ["goodbye"]), ("test", ["press one now", "hello", "please hold the line"])):
        with StoreWriter(tmp_path / "asterisk" / split) as writer:
            for said in sentences:
                writer.append([recording(said)])
    return Settings(data=tmp_path)


def test_rates_by_hand(prompts: Settings) -> None:
    """One word wrong of three, one put in to one, two left out of four: 4 edits in 8 words."""
    says = {"press one now": "Press nine, now.", "hello": "hello hello", "please hold the line": "please line"}
    agent = FakeAgent(lambda _, rows: np.full(len(rows), 0.5), codec=ByteCodec(), says=lambda e: says[written(e)])
    result = run_task(agent, TASK, prompts)
    assert result.score.value == pytest.approx(4 / 8)
    # "nine" for "one" is 2 letters of 13, " hello" 6 of 5, "hold the " 9 of 20
    assert result.figures["character error rate"].value == pytest.approx((2 + 6 + 9) / (13 + 5 + 20))
    assert result.figures["bits per character"].value == pytest.approx(0.5 * (38 + 3) / 38 / math.log(2))
    assert result.figures["stops"].value == 1
    assert result.references["empty"] == 1
    assert result.num_samples == 3
    assert not result.higher_is_better


def test_what_a_head_spells_is_counted_beside(prompts: Settings) -> None:
    class Spelling(FakeAgent):
        ctc = "a head"

        def spell(self, sound: bytes) -> str:
            assert sound == SOUND
            return "Hello!"

    result = run_task(Spelling(codec=ByteCodec()), TASK, prompts)
    assert result.figures["spelt"].value == pytest.approx((3 + 0 + 4) / 8)
    assert "spelt" not in run_task(FakeAgent(codec=ByteCodec()), TASK, prompts).figures


def test_an_agent_that_cannot_write_spells(prompts: Settings) -> None:
    class Deaf(FakeAgent):
        ctc = "a head"

        def spell(self, sound: bytes) -> str:
            return "press one"

        def answer(self, episode: Episode, max_new_tokens: int = 64) -> Any:
            raise AssertionError("it cannot write")

    agent = Deaf(codec=ByteCodec())
    agent.writes = False
    result = run_task(agent, TASK, prompts)
    assert result.score.value == pytest.approx((1 + 2 + 4) / 8)
    assert result.figures.keys() == {"character error rate"}


def test_silence_is_wrong_in_every_word_and_chatter_in_more(prompts: Settings) -> None:
    assert run_task(FakeAgent(codec=ByteCodec()), TASK, prompts).score.value == 1
    chatter = run_task(FakeAgent(codec=ByteCodec(), says=lambda _: "so " * 100), TASK, prompts)
    assert chatter.score.value > 10
    assert chatter.figures["stops"].value == 0


def test_edits_are_the_fewest_of_all_ways() -> None:
    """Against the definition: the cheapest of all monotone pairings, by trying them."""

    def tried(one: tuple[str, ...], other: tuple[str, ...]) -> int:
        best = len(one) + len(other)
        for size in range(min(len(one), len(other)) + 1):
            for mine in itertools.combinations(range(len(one)), size):
                for theirs in itertools.combinations(range(len(other)), size):
                    wrong = sum(one[i] != other[j] for i, j in zip(mine, theirs, strict=True))
                    best = min(best, wrong + len(one) + len(other) - 2 * size)
        return best

    generator = np.random.default_rng(0)
    for _ in range(60):
        one, other = (tuple(generator.choice(list("abc"), generator.integers(0, 6)).tolist()) for _ in range(2))
        assert edits(one, other) == edits(other, one) == tried(one, other)
