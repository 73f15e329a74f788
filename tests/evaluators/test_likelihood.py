"""Bits per byte against sums made another way, and every byte scored once."""

from __future__ import annotations

import lzma
import math
import random

import numpy as np
import pytest

from opengato.core.episode import Episode
from opengato.evaluators import Settings, run_task
from opengato.evaluators import likelihood as package
from opengato.evaluators.likelihood.windows import TextWindows
from opengato.modalities.text import TextCodec
from tests.evaluators.fakes import TEXT, ByteCodec, FakeAgent, written

WORDS = (
    "the quick brown fox, jumps over a lazy dog.  Grüße aus Zürich: naïve café 你好世界 🦊🐶 "
    "antidisestablishmentarianism"
).split(" ")
TASK = "text/austen"


def prose(seed: int, words: int = 150) -> str:
    rng = random.Random(seed)
    return "".join(rng.choice(WORDS) + rng.choice([" ", " ", " ", "\n", "\n\n", "  \n"]) for _ in range(words))


@pytest.mark.parametrize("codec", [TextCodec(), ByteCodec()], ids=["pieces", "bytes"])
@pytest.mark.parametrize("context", [32, 64, 200])
def test_fresh_parts_join_to_the_text_and_fit(codec: TextCodec | ByteCodec, context: int) -> None:
    agent = FakeAgent(context=context, codec=codec)
    for seed in range(2):
        text = prose(seed)
        windows = list(TextWindows(agent.serializer, context).cut(text))
        assert "".join(window.fresh for window in windows) == text
        assert sum(window.num_bytes for window in windows) == len(text.encode())
        for window in windows:
            sequence = agent.serializer.episode(window.document(TASK))
            assert len(sequence) <= context
            assert int(sequence.predict_T.sum()) == window.num_rows
            # The rows that are scored are those of the fresh part, and no others.
            rows = agent.rows(window.context + window.fresh)
            assert codec.decode(rows[window.scored], TEXT) == window.fresh
        # A cut inside a very long word leaves no whole piece before it; then a window starts afresh.
        seeing = [window for window in windows[1:] if window.context]
        assert context < 64 or len(seeing) >= 0.8 * (len(windows) - 1)


def test_windows_use_what_the_context_holds() -> None:
    agent = FakeAgent(context=100, codec=ByteCodec())
    windows = list(TextWindows(agent.serializer, 100).cut("word " * 200))
    assert windows[0].context == ""
    assert len(windows[0].fresh) in range(93, 99)
    for window in windows[1:-1]:
        assert len(window.context) in range(43, 49)
        assert len(window.context + window.fresh) in range(93, 99)


def test_a_context_too_short_for_a_word_is_refused() -> None:
    agent = FakeAgent(context=8, codec=ByteCodec())
    with pytest.raises(ValueError, match="cannot hold 'unbelievable'"):
        list(TextWindows(agent.serializer, 8).cut("unbelievable"))


def test_bits_per_byte_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three bits a byte, ends cost a fortune: the ends are not scored."""

    def nats(_: Episode, rows: np.ndarray) -> np.ndarray:
        return np.where(rows == 256, 1e6, 3 * math.log(2))

    text = prose(1)
    monkeypatch.setattr(package, "held_out_text", lambda _: text)
    result = run_task(FakeAgent(nats, codec=ByteCodec()), TASK, Settings())
    assert result.score.value == pytest.approx(3.0, rel=1e-6)
    assert sum(result.samples["bytes"]) == len(text.encode())
    assert result.references["xz -9e"] == 8 * len(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)) / len(
        text.encode()
    )
    assert not result.higher_is_better


def test_bits_per_byte_with_the_shipped_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model without memory gives the same nats however the text is cut: those of the whole text at once."""

    def nats(_: Episode, rows: np.ndarray) -> np.ndarray:
        return 0.5 + (rows % 13)

    text = prose(2)
    monkeypatch.setattr(package, "held_out_text", lambda _: text)
    agent = FakeAgent(nats, context=48)
    whole = agent.rows(text)[:-1]
    expected = float((0.5 + whole % 13).sum()) / math.log(2) / len(text.encode())
    assert run_task(agent, TASK, Settings()).score.value == pytest.approx(expected, rel=1e-6)


def test_context_is_read_but_not_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that knows a byte better the more it has read: nats = 1 / (1 + bytes before it)."""

    def nats(_: Episode, rows: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.arange(len(rows)))

    text = "ab cd ef gh ij kl mn op"  # atoms: 2 letters, then 7 of 3 bytes
    monkeypatch.setattr(package, "held_out_text", lambda _: text)
    agent = FakeAgent(nats, context=13, codec=ByteCodec())
    result = run_task(agent, TASK, Settings())
    # Begin, 11 bytes, end: "ab cd ef gh". Then at most 4 bytes of context (whole words: 3) and 8 new ones (6).
    assert [written(episode) for episode in agent.asked] == ["ab cd ef gh", " gh ij kl", " kl mn op"]
    first = sum(1 / k for k in range(1, 12))
    later = sum(1 / k for k in range(4, 10))
    assert result.samples["bytes"] == (11.0, 6.0, 6.0)
    assert result.samples["nats"] == pytest.approx((first, later, later), rel=1e-6)
    assert result.score.value == pytest.approx((first + 2 * later) / 23 / math.log(2), rel=1e-6)


def test_a_part_of_the_text_is_compared_with_xz_of_that_part() -> None:
    result = run_task(FakeAgent(), TASK, Settings(documents=3))
    assert result.num_samples == 3
    part = package.held_out_text(TASK).encode()[: int(sum(result.samples["bytes"]))]
    assert result.references["xz -9e"] == package.xz_bits_per_byte(part)


def test_an_agent_that_scores_other_rows_is_caught() -> None:
    agent = FakeAgent(lambda _, rows: np.ones(len(rows) - 1))
    with pytest.raises(ValueError, match="its tokenizer cuts into"):
        run_task(agent, TASK, Settings(documents=1))
