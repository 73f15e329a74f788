"""Each reader over a made-up package tree; what holds for every source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opengato.core.config import plugin
from opengato.core.episode import Episode
from opengato.data.importing import corpora
from opengato.sources import Source, split_of
from opengato.sources.openclipart import caption_of
from opengato.sources.prose import paragraphs, pieces
from tests.sources import trees

WORDS = "black white apple pie tree house lion big the bus red king ship sail lamp desk cow moon sun star cup bear fox"


def text_of(episode: Episode) -> str:
    (values,) = episode.actions.values()
    return values[0]


def read(name: str, roots: dict[str, Path]) -> list[tuple[str, Episode]]:
    found = list(plugin("sources", name).Source().read(roots))
    for _, episode in found:
        episode.validate()
    return found


@pytest.mark.parametrize("name", corpora())
def test_card_says_all(name: str) -> None:
    source = plugin("sources", name).Source()
    card = source.card
    assert isinstance(source, Source)
    assert card.name == name
    assert all((card.title, card.what, card.licence, card.split, card.packages))
    for package in card.packages:
        assert re.fullmatch(r"[0-9a-f]{64}", package.sha256)
        assert package.version
        assert package.licence


def test_austen(tmp_path: Path) -> None:
    prose = ["", "By Jane Austen", "", "CHAPTER 1", ""] + ["A sentence of  two", "lines. And “more”.", ""] * 200
    note = ["*Vide a letter from Mr. Richardson", "", "A NOTE ON THE TEXT", "", "by an editor"]
    novels = {"EMMA": prose, "NORTHANGER ABBEY": prose + note, "PRIDE AND PREJUDICE": prose}
    found = read("austen", trees.austen(tmp_path, novels))
    works = {(split, episode.provenance["work"]) for split, episode in found}
    assert works == {("train", "Emma"), ("train", "Pride and Prejudice"), ("test", "Northanger Abbey")}
    assert text_of(found[0][1]).startswith(
        "EMMA\n\nBy Jane Austen\n\nCHAPTER 1\n\nA sentence of two lines. And “more”."
    )
    assert not any(re.search("Vide|editor", text_of(episode)) for _, episode in found)
    assert all(episode.instruction == "" for _, episode in found)


def test_austen_with_another_format(tmp_path: Path) -> None:
    roots = trees.austen(tmp_path, {"EMMA": []})
    next(tmp_path.rglob("Rdata.rdb")).write_bytes(trees.string_vector(["x"], version=4))
    with pytest.raises(ValueError, match=r"received marker .*, version 4"):
        read("austen", roots)
    with pytest.raises(ValueError, match=r"expected 'Rdata\.rdb' under"):
        read("austen", {"r-cran-janeaustenr": tmp_path / "nowhere"})


def test_shakespeare(tmp_path: Path) -> None:
    verse = "\n\n".join(["HAM.\nTo be, or not to be,   \n  that is the question:"] * 60)
    works = {"hamlet_gut": verse, "macbeth_gut": verse, "hamlet_gut_f": "folio", "metadata": "not a work"}
    works["hamlet_gut"] = "This etext is by Project Gutenberg\n\n" + works["hamlet_gut"]
    found = read("shakespeare", trees.shakespeare(tmp_path, works))
    assert {(split, e.provenance["work"]) for split, e in found} == {("train", "hamlet"), ("test", "macbeth")}
    assert text_of(found[0][1]).startswith("HAM.\nTo be, or not to be,\n  that is the question:\n\nHAM.")


def test_emoji(tmp_path: Path) -> None:
    names = {"1F34E": "Red Apple", "1F34F": "green apple", "231A": "Watch’s", "231B": "a second watch"}
    found = read("emoji", trees.emoji(tmp_path, names, copies={"231B": "231A"}))
    captions = {text_of(episode): (split, episode) for split, episode in found}
    assert captions.keys() == {"red apple", "green apple", "watch's"}, "the copy of a drawing is left out"
    assert captions["red apple"][0] == captions["green apple"][0] == split_of("apple")
    assert captions["red apple"][1].provenance["caption_zh"] == "名"
    assert captions["red apple"][1].instruction == "describe the picture"


def test_openclipart(tmp_path: Path) -> None:
    titles = {f"animals/series_{i}": "Various Cliparts" for i in range(6)}
    titles |= {"food/apple_pie_1": "Apple Pie", "food/apple_pie_2": "apple_pie (B and W)", "computer/icons/x": "tree"}
    titles |= {"animals/leone": "Leone", "signs_and_symbols/flags/kenya": "big house - the moon"}
    found = read("openclipart", trees.openclipart(tmp_path, titles, WORDS))
    assert {text_of(e) for _, e in found} == {"apple pie", "apple pie in black and white", "the moon flag"}
    assert len({split for split, e in found if "apple" in text_of(e)}) == 1


@pytest.mark.parametrize(
    ("item", "title", "caption"),
    [
        ("food/x", "ApplePie_02", "apple pie"),
        ("food/x", "apple &amp;amp; pie", "apple & pie"),
        ("plants/x", "Tree.svg", "tree"),
        ("flags/x", "Clipart by A. Person - the moon", "the moon"),
        ("a/flags/x", "Historic - the sun", "historic the sun flag"),
        ("animals/x", "Clipart by Nicu Buculei - bear", None),
        ("animals/bear_architetto_01", "bear", None),
        ("animals/x", "bear@example.com", None),
        ("animals/x", "0815", None),
        ("animals/x", "orso bianco", None),
        ("animals/x", "the big bear " * 6, None),
    ],
)
def test_captions(item: str, title: str, caption: str | None) -> None:
    assert caption_of(item, title, frozenset([*WORDS.split(), "historic"])) == caption


def test_no_concept_in_both_splits_within_and_across_sources(tmp_path: Path) -> None:
    words = WORDS.split()[-11:]
    things = [f"{one} {other}" for one in words for other in words]
    emoji = read("emoji", trees.emoji(tmp_path / "e", {f"{i:X}": f"woman {thing}" for i, thing in enumerate(things)}))
    titles = {f"x/{i}": f"{thing} 2" for i, thing in enumerate(things)}
    clipart = read("openclipart", trees.openclipart(tmp_path / "o", titles, WORDS))
    of_emoji, of_clipart = ({e.provenance["concept"] for _, e in found} for found in (emoji, clipart))
    assert of_emoji == of_clipart
    concepts = {s: {e.provenance["concept"] for split, e in emoji + clipart if split == s} for s in ("train", "test")}
    assert not concepts["train"] & concepts["test"]
    share = len(concepts["test"]) / len(concepts["test"] | concepts["train"])
    assert 0.02 < share < 0.2


def test_split_is_stable() -> None:
    assert [name for name in WORDS.split() if split_of(name, 0.3) == "test"] == [
        "white",
        "apple",
        "big",
        "bus",
        "desk",
        "sun",
    ]


def test_pieces_lose_nothing_and_keep_their_sizes() -> None:
    blocks = [f"{i} " + "word " * (i % 97) + "end." for i in range(1, 300)] + ["long sentence. " * 400]
    cut = list(pieces(blocks))
    assert " ".join(" ".join(cut).split()) == " ".join(" ".join(blocks).split())
    assert all(1500 <= len(piece) <= 4500 for piece in cut)
    assert list(pieces(["short"])) == ["short"]
    assert list(pieces([])) == []
    assert max(map(len, pieces(["x" * 10_000]))) <= 4500


def test_paragraphs() -> None:
    text = "One\r\nline.\r\n\r\n \t\n  Two  \n  lines\n"
    assert paragraphs(text, unwrap=True) == ["One line.", "Two lines"]
    assert paragraphs(text, unwrap=False) == ["One\nline.", "  Two\n  lines"]
