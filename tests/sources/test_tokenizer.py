"""The shipped tokenizer, and the script that made it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

import opengato
from opengato.modalities.text.train_tokenizer import VOCABULARY, mission, robot_instruction, train

MODEL = Path(opengato.__file__).parent / "assets" / "tokenizer.model"
WORDS = """go to the a red green blue purple yellow grey ball box key door object pick up open put next then after you
and on your left right in front of behind""".split()


@pytest.fixture(scope="module")
def tokenizer() -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(MODEL))


def test_special_pieces(tokenizer: sentencepiece.SentencePieceProcessor) -> None:
    assert tokenizer.vocab_size() == VOCABULARY
    assert [tokenizer.pad_id(), tokenizer.unk_id(), tokenizer.bos_id(), tokenizer.eos_id()] == [0, 1, 2, 3]
    assert tokenizer.encode("a\n\nb\n", out_type=str) == ["a", "\n\n", "b", "\n"]
    assert MODEL.stat().st_size < 430_000


@pytest.mark.parametrize("word", WORDS)
def test_words_of_missions_are_one_piece(tokenizer: sentencepiece.SentencePieceProcessor, word: str) -> None:
    assert tokenizer.encode(f" {word}", out_type=str) == [f"▁{word}"]


@pytest.mark.parametrize("word", ["go", "pick", "open", "put", "close", "push"])
def test_verbs_are_one_piece_at_the_start(tokenizer: sentencepiece.SentencePieceProcessor, word: str) -> None:
    assert tokenizer.encode(f"{word} the red ball", out_type=str)[0] == word


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "  go to  the red ball ",
        "It is a truth universally acknowledged, that a single man",
        "\n\nHAM.\nTo be,\n  or not\n\n\n",
        "捡起红色的球然后打开门。",
        " 中文 and English\t🙂 ’“é£ \r\n",
        "<s></s><pad><0x41>",
    ],
)
def test_round_trip(tokenizer: sentencepiece.SentencePieceProcessor, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.unk_id() not in ids
    assert tokenizer.decode(ids + tokenizer.encode(text)) == text + text


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="▁\0")))
def test_round_trip_of_anything(tokenizer: sentencepiece.SentencePieceProcessor, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_training_is_reproducible(tmp_path: Path) -> None:
    rng = random.Random(1)
    lines = [mission(rng) for _ in range(500)] + [robot_instruction(rng) for _ in range(500)]
    for name in ("a", "b"):
        train(lines, tmp_path / name, 400)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_missions_follow_the_grammar() -> None:
    rng = random.Random(0)
    for _ in range(200):
        words = mission(rng).replace(",", "").split()
        assert words[0] in ("go", "pick", "open", "put")
        assert set(words) <= set(WORDS)
