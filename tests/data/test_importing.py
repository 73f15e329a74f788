"""Importing a corpus into stores, and the held-out sample that comes with the package."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import opengato
from opengato.data import importing
from opengato.data.importing import import_source
from opengato.data.make_heldout import beginning, diverse
from opengato.data.store import EpisodeStore
from opengato.sources import shakespeare, split_of
from opengato.sources.pictures import concept

HELD_OUT = Path(opengato.__file__).parent / "assets" / "heldout"


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A tiny Shakespeare in place of the fetched package; `fail_after` breaks the import off."""
    folder = tmp_path / "package" / "shksprdata" / "texts"
    folder.mkdir(parents=True)
    for work in ("hamlet", "macbeth", "othello"):
        (folder / f"{work}_gut.txt").write_text(f"{work}\n\n" + "Words, words.\n\n" * 300, encoding="utf-8")
    settings = {"fail_after": 1000}

    def episodes(self, cache: Path, *, allow_other_version: bool = False):
        for index, found in enumerate(self.read({"shakespeare": tmp_path / "package"})):
            if index == settings["fail_after"]:
                raise OSError("cable pulled")
            yield found

    monkeypatch.setattr(shakespeare.Source, "episodes", episodes)
    return settings


def test_import(tmp_path: Path, corpus: dict[str, int]) -> None:
    summary = import_source("shakespeare", tmp_path / "out", tmp_path)
    train, test = (EpisodeStore(tmp_path / "out" / split) for split in importing.SPLITS)
    assert summary["splits"]["train"] == {"episodes": len(train), "bytes": train.manifest["bytes"]}
    assert {e.provenance["work"] for e in train} == {"hamlet", "othello"}
    assert {e.provenance["work"] for e in test} == {"macbeth"}
    (package,) = train.extra["packages"]
    assert package["sha256"] == shakespeare.Source.card.packages[0].sha256
    assert (train.extra["licence"], package["version"], train.extra["split"]) == ("public domain", "0.6", "train")
    assert train.extra["synthetic"] is False
    with pytest.raises(FileExistsError, match="delete it or choose another folder"):
        import_source("shakespeare", tmp_path / "out", tmp_path)


def test_broken_import_leaves_nothing(tmp_path: Path, corpus: dict[str, int]) -> None:
    corpus["fail_after"] = 2
    with pytest.raises(OSError, match="cable"):
        import_source("shakespeare", tmp_path / "data" / "out", tmp_path)
    assert list((tmp_path / "data").iterdir()) == []


def test_empty_split_is_an_error(tmp_path: Path, corpus: dict[str, int]) -> None:
    corpus["fail_after"] = 1000
    (tmp_path / "package" / "shksprdata" / "texts" / "macbeth_gut.txt").unlink()
    with pytest.raises(ValueError, match="expected some in each split"):
        import_source("shakespeare", tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_unknown_source(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean 'shakespeare'"):
        import_source("shakespear", tmp_path / "out")


def test_held_out_pictures_are_of_the_test_split() -> None:
    store = EpisodeStore(HELD_OUT / "captions")
    assert len(store) == 192
    assert store.tasks().keys() == {"caption/emoji", "caption/openclipart"}
    for episode in store:
        episode.validate()
        caption = episode.actions["caption"][0]
        assert episode.provenance["concept"] == concept(caption)
        assert split_of(concept(caption)) == "test"
    captions = [episode.actions["caption"][0] for episode in store]
    assert sum("flag" in caption for caption in captions) < 20
    assert max(Counter(captions).values()) <= 2
    assert len(diverse(list(store), 20)) == 20


def test_held_out_text_is_prose() -> None:
    text = (HELD_OUT / "text.txt").read_text(encoding="utf-8")
    assert text.startswith("NORTHANGER ABBEY")
    assert 150_000 < len(text.encode()) < 200_000
    assert not re.search(r"  |\r|[^\x00-\x7f]", text)
    assert "Catherine" in text[-20_000:]
    assert sum(path.stat().st_size for path in HELD_OUT.rglob("*")) < 2_500_000
    assert beginning([]) == ""
