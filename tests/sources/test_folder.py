"""A folder of one's own: made by hand in every layout, with broken files and copies among them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opengato.core.episode import Episode, document
from opengato.core.media import wav
from opengato.data.importing import export_store, format_of, import_format
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.data.validate import validate_store
from opengato.sources import split_of
from opengato.sources.format import Format, Labels
from tests.contracts.test_formats import assert_equal
from tests.sources.trees import drawing
from tests.tiny import caption_episode, toy_episode

LABELS = Labels()


def picture(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing(seed).convert("RGB").save(path)
    return path


def read(folder: Path, labels: Labels = LABELS) -> list[Episode]:
    return [episode.validate() for episode in format_of("folder").read(str(folder), labels)]


def said(episodes: list[Episode]) -> dict[str, str]:
    return {e.provenance["item"]: str(next(iter(e.actions.values()))[0]) for e in episodes}


def test_a_text_beside_each_picture(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for seed, name in enumerate(("a/dog.png", "a/cat.jpg", "lonely.png")):
        picture(folder / name, seed)
    for name, text in (("a/dog", "a black dog\n"), ("a/cat", "a cat"), ("readme", "not of a picture")):
        (folder / f"{name}.txt").write_text(text)
    with pytest.warns(UserWarning, match=r"1 left out: lonely\.png: has no text beside it: expected lonely\.txt"):
        episodes = read(folder)
    assert said(episodes) == {"a/cat.jpg": "a cat", "a/dog.png": "a black dog"}
    assert {(e.task, e.instruction) for e in episodes} == {("caption/mine", "describe the picture")}
    assert episodes[1].observations["image"][0] == (folder / "a/dog.png").read_bytes()


def test_a_table_of_captions_and_one_of_questions(tmp_path: Path) -> None:
    picture(tmp_path / "mine/x/1.png", 0)
    (tmp_path / "mine/captions.csv").write_text('caption,file_name\n"a dog,\nand a cat",x/1.png\nnothing,x/2.png\n')
    with pytest.warns(UserWarning, match=r"row 2 of captions\.csv: there is no file .*2\.png"):
        (episode,) = read(tmp_path / "mine")
    assert said([episode]) == {"x/1.png (row 1 of captions.csv)": "a dog,\nand a cat"}
    picture(tmp_path / "asked/1.png", 1)
    rows = [{"image": "1.png", "question": f"is it {word}?", "answer": word} for word in ("red", "big")]
    (tmp_path / "asked/q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    episodes = read(tmp_path / "asked")
    assert [(e.task, e.instruction) for e in episodes] == [("vqa/asked", "is it red?"), ("vqa/asked", "is it big?")]


def test_labels_by_table_and_by_folder(tmp_path: Path) -> None:
    for seed, name in enumerate(("cats/1.png", "cats/2.png", "sea lions/1.png")):
        picture(tmp_path / "mine" / name, seed)
    episodes = read(tmp_path / "mine")
    assert list(said(episodes).values()) == ["cats", "cats", "sea lions"]
    assert {(e.task, e.instruction) for e in episodes} == {("label/mine", "which is it: cats or sea lions?")}
    (tmp_path / "mine/labels.tsv").write_text("path\tlabel\ncats/1.png\ttame\nsea lions/1.png\twild\n")
    episodes = read(tmp_path / "mine")
    assert {(e.task, e.instruction) for e in episodes} == {("label/mine", "which is it: tame or wild?")}


def test_sounds_with_what_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/1.wav").write_bytes(wav(np.zeros(80), 8000))
    (tmp_path / "mine/1.txt").write_text("good morning")
    (episode,) = read(tmp_path / "mine")
    assert (episode.task, episode.instruction) == ("speech/mine", "write down what is said")
    assert list(episode.observation_specs) == ["audio"]


def test_texts_alone_are_cut_into_documents_of_one_split(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/long.md").write_text("\n\n".join(f"Paragraph {i}. " + "Words. " * 60 for i in range(20)))
    (tmp_path / "mine/short.txt").write_text("Only this.")
    (tmp_path / "mine/latin.txt").write_bytes("gar\u00e7on".encode("latin-1"))
    (tmp_path / "mine/none.txt").write_text(" \n")
    with pytest.warns(UserWarning, match=r"latin\.txt: is not UTF-8 \(byte 3\).*none\.txt: is empty"):
        episodes = read(tmp_path / "mine", Labels(task="text/books"))
    texts = [e.actions["text"][0] for e in episodes]
    assert {e.task for e in episodes} == {"text/books"}
    assert texts[-1] == "Only this."
    assert len(texts) == 4
    assert "\n\n".join(texts[:-1]).count("Paragraph") == 20
    assert len({format_of("folder").split(e) for e in episodes[:-1]}) == 1
    (tmp_path / "rows.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    assert list(said(read(tmp_path / "rows.jsonl")).values()) == ["one", "two"]


def test_copies_and_broken_files_are_named_and_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    good = picture(folder / "a.png", 0)
    picture(folder / "b.png", 1)
    pixels = np.asarray(Image.open(good)).astype(int) + 1
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / "near.png")
    (folder / "half.png").write_bytes(good.read_bytes()[:200])
    (folder / "odd.png").write_bytes(b"no picture at all")
    (folder / "same.png").write_bytes(good.read_bytes())
    for name in ("a", "b", "near", "half", "odd", "same"):
        (folder / f"{name}.txt").write_text("a thing")
    told = (
        r"half\.png: a picture of 200 bytes cannot be decoded.*near\.png: looks the same as an earlier picture.*"
        r"odd\.png: 17 bytes that begin.*same\.png: repeats a\.png"
    )
    with pytest.warns(UserWarning, match=told):
        assert [e.provenance["item"] for e in read(folder)] == ["a.png", "b.png"]
    for name in ("a", "b", "near", "same"):
        (folder / f"{name}.txt").unlink()
    with pytest.raises(ValueError, match=r"holds nothing that can be used: a\.png: has no text .*half\.png: a picture"):
        read(folder)


def test_the_split_follows_what_is_in_the_files(tmp_path: Path) -> None:
    """Not their names and not their order: moved, renamed and among others, a file stays where it was."""
    for seed in range(60):
        picture(tmp_path / f"one/{seed:02d}.png", seed)
        (tmp_path / f"one/{seed:02d}.txt").write_text(f"thing {seed}")
        picture(tmp_path / f"two/{99 - seed}.png", seed)
        (tmp_path / f"two/{99 - seed}.txt").write_text(f"thing {seed}")
    parts = []
    for name in ("one", "two"):
        done = import_format(f"folder:{tmp_path / name}", tmp_path / "data", Labels(task=f"caption/{name}"))
        assert done["splits"].keys() == {"train", "test"}
        assert sum(part["episodes"] for part in done["splits"].values()) == done["episodes"] == 60
        stores = {split: EpisodeStore(tmp_path / "data" / name / split) for split in done["splits"]}
        assert all(validate_store(store.folder) == [] for store in stores.values())
        parts.append({e.actions["caption"][0]: split for split, store in stores.items() for e in store})
        assert all(split_of(e.provenance["sha256"]) == split for split, store in stores.items() for e in store)
    assert parts[0] == parts[1]


def test_what_is_exported_comes_back_as_it_was(tmp_path: Path) -> None:
    episodes = [caption_episode(seed, f"panda {seed}") for seed in range(5)]
    with StoreWriter(tmp_path / "store") as writer:
        writer.append([*episodes, document("text/toy", "words", source="a book"), toy_episode(0, 3)])
    for task, expected in (("caption/toy", episodes), ("text/toy", [document("text/toy", "words", source="a book")])):
        out = tmp_path / task.replace("/", "-")
        export_store(tmp_path / "store", "folder", out, task=task)
        for received, one in zip(read(out), expected, strict=True):
            assert_equal(received, one)
        assert {e.task for e in read(out, Labels(task="mine/own"))} == {"mine/own"}
    with pytest.raises(ValueError, match=r"'toy/task' is no document.*export control to lerobot"):
        export_store(tmp_path / "store", "folder", tmp_path / "control", task="toy/task")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", "file,words\na.png,dog\n", r"has the columns \['file', 'words'\]; expected texts in one of"),
        ("x.jsonl", '{"text": "one"}\n{"text"\n', "line 2 of .* is no JSON"),
        ("x.jsonl", "[1]\n", "line 1 of .* is list, expected an object"),
        (".hidden.txt", "nothing", "holds nothing that can be used: it is empty"),
    ],
)
def test_what_cannot_be_read_is_told(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read(tmp_path)
    with pytest.raises(ValueError, match="expected a folder or a table"):
        read(tmp_path / "nowhere")


def test_it_says_what_it_is() -> None:
    assert isinstance(format_of("folder"), Format)
    assert format_of("folder").about("x")["licence"]
