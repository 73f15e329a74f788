"""Each reader over a made-up package tree; what holds for every source."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opengato.core.config import plugin
from opengato.core.episode import Episode
from opengato.data.importing import corpora
from opengato.sources import Source, split_of
from opengato.sources.openclipart import caption_of
from opengato.sources.prose import paragraphs, pieces
from opengato.sources.tuxpaint_stamps import stamps
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
    captions = {text_of(e): (split, e) for split, e in found if e.task == "caption/emoji"}
    assert captions.keys() == {"red apple", "green apple", "watch's"}, "the copy of a drawing is left out"
    assert captions["red apple"][0] == captions["green apple"][0] == split_of("apple")
    assert captions["red apple"][1].provenance["caption_zh"] == "名"
    assert captions["red apple"][1].instruction == "describe the picture"
    others = {e.task: e for _, e in found if e.provenance["item"] == "1f34e"}
    assert text_of(others["caption/emoji-zh"]) == "名"
    assert others["caption/emoji-zh"].instruction == "describe the picture in Chinese"
    assert text_of(others["label/emoji"]) == "objects"
    assert "nature, flags, food and drink, objects, " in others["label/emoji"].instruction
    assert len({split for split, e in found if e.provenance["item"] == "1f34e"}) == 1


def test_openclipart(tmp_path: Path) -> None:
    titles = {f"animals/series_{i}": "Various Cliparts" for i in range(6)}
    titles |= {"food/apple_pie_1": "Apple Pie", "food/apple_pie_2": "apple_pie (B and W)", "computer/icons/x": "tree"}
    titles |= {"animals/leone": "Leone", "signs_and_symbols/flags/kenya": "big house - the moon"}
    found = read("openclipart", trees.openclipart(tmp_path, titles, WORDS))
    captions = [e for _, e in found if e.task == "caption/openclipart"]
    assert {text_of(e) for e in captions} == {"apple pie", "apple pie in black and white", "the moon flag"}
    labels = {e.provenance["item"]: text_of(e) for _, e in found if e.task == "label/openclipart"}
    signs = "signs_and_symbols/flags/kenya"
    assert labels == {"food/apple_pie_1": "food", "food/apple_pie_2": "food", signs: "signs and symbols"}
    assert len({split for split, e in found if "apple" in text_of(e)}) == 1


def test_tuxpaint(tmp_path: Path) -> None:
    written = {
        "animals/birds/owl": "An owl.\nfr.utf8=Un hibou.\nzh_CN.utf8=猫头鹰。\nja.utf8= \n",
        "animals/birds/zcopy": "An owl again.\n",
        "plants/oak": "An oak\nde.utf8=" + "lang " * 20,
        "symbols/letters/a": "A\n",
        "animals/long": "long " * 20,
        "animals/mute": "\nfr.utf8=rien",
    }
    found = read("tuxpaint", trees.tuxpaint(tmp_path, written, copies={"animals/birds/zcopy": "animals/birds/owl"}))
    said = {(e.task, e.instruction): text_of(e) for _, e in found if e.provenance["item"] == "animals/birds/owl"}
    assert {key: text for key, text in said.items() if key[0] != "label/tuxpaint"} == {
        ("caption/tuxpaint", "describe the picture"): "An owl",
        ("caption/tuxpaint-fr", "describe the picture in French"): "Un hibou",
        ("caption/tuxpaint-zh", "describe the picture in Chinese"): "猫头鹰",
    }
    others = {(e.provenance["item"], e.task): text_of(e) for _, e in found if e.provenance["category"] == "plants"}
    assert others == {("plants/oak", "caption/tuxpaint"): "An oak", ("plants/oak", "label/tuxpaint"): "plants"}
    assert {e.provenance["item"] for _, e in found} == {"animals/birds/owl", "plants/oak"}


def test_stamps_have_sounds_and_voices(tmp_path: Path) -> None:
    roots = trees.tuxpaint(tmp_path, {"animals/owl": "An owl.", "animals/owlet": "An owlet."})
    folder = next(tmp_path.rglob("owl.txt")).parent
    for name in ("owl.ogg", "owl_desc.ogg", "owl_desc_pt_BR.ogg", "owl_desc_da.ogg.ogg", "owlet_desc_fr.ogg"):
        (folder / name).write_bytes(b"OggS")
    owl, owlet = stamps(roots["tuxpaint-stamps-default"], "tuxpaint")
    assert (owl.item, owl.category, owl.captions) == ("animals/owl", "animals", {"en": "An owl."})
    assert (owl.sound, owlet.sound) == (folder / "owl.ogg", None)
    assert owl.spoken == {"en": folder / "owl_desc.ogg", "pt_BR": folder / "owl_desc_pt_BR.ogg"}
    assert owlet.spoken == {"fr": folder / "owlet_desc_fr.ogg"}


def test_stamps_that_are_drawn_with_lines(tmp_path: Path) -> None:
    """A red square on the left half of nothing; one without a size is left out."""
    pytest.importorskip("resvg_py")
    roots = trees.tuxpaint(tmp_path, {"plants/oak": "An oak", "plants/elm": "An elm"})
    folder = next(tmp_path.rglob("oak.png")).parent
    start = '<svg xmlns="http://www.w3.org/2000/svg"'
    box = '<rect width="10" height="20" fill="#f00"/></svg>'
    (folder / "oak.svg").write_text(f'{start} width="20" height="20">{box}')
    (folder / "elm.svg").write_text(f'{start} width="0">{box}')
    for name in ("oak", "elm"):
        (folder / f"{name}.png").unlink()
    found = read("tuxpaint", roots)
    assert {e.provenance["item"] for _, e in found} == {"plants/oak"}
    pixels = np.asarray(Image.open(io.BytesIO(found[0][1].observations["image"][0])))
    assert pixels[32, 32].tolist() == [255, 0, 0], "what is drawn is cut out and put in the middle"
    assert pixels[32, 2].tolist() == [255, 255, 255]


def test_mnist(tmp_path: Path) -> None:
    digits = np.random.default_rng(0).integers(0, 256, (60, 784))
    found = read("mnist", trees.mnist(tmp_path, digits, [number % 10 for number in range(60)]))
    assert [text_of(episode) for _, episode in found] == [str(number % 10) for number in range(60)]
    for number in (0, 59):
        pixels = np.asarray(Image.open(io.BytesIO(found[number][1].observations["image"][0])))
        np.testing.assert_array_equal(pixels[..., 1].reshape(-1), digits[number])
    assert {split for split, _ in found} == {"train", "test"}
    again = dict(zip([e.provenance["concept"] for _, e in found], [s for s, _ in found], strict=True))
    assert all(split_of(concept, 0.2) == split for concept, split in again.items())


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
