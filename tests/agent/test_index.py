"""The index of a folder: what is near is what a literal comparison says, and only what is new is embedded.

Letters: N vectors, D width, F files.
"""

from __future__ import annotations

import itertools
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from opengato.agent import indexing
from opengato.agent.index import FORMAT, Entry, Index, Made, opened
from opengato.agent.indexing import Update, listed, passages
from opengato.agent.model import Agent
from tests.tiny import tiny_agent

MADE = Made(agent="nobody", weights="0")
TEXT = "It was a fine morning. " * 40 + "\n\n" + "没有空格的文字。" * 120 + "\n\n   \n" + "x" * 1000 + " end"


def entry(number: int, kind: Any = "image", count: int = 1) -> Entry:
    starts = tuple(range(0, 10 * count, 10))
    return Entry(file=f"{number:04d}", kind=kind, size=1, modified=2, sha256=f"{number}", passages=starts)


def made_of(vector_ND: np.ndarray, counts: list[int] | None = None) -> Index:
    """An index of vectors; every third file is a text."""
    counts = counts or [1] * len(vector_ND)
    entries = [entry(i, "text" if i % 3 == 0 else "image", count) for i, count in enumerate(counts)]
    return Index(made=MADE, entries=tuple(entries), vector_ND=indexing.unit(vector_ND))


def literal(index: Index, query_D: np.ndarray, top: int, kind: str | None = None) -> list[tuple[str, float, int]]:
    """The nearest files by two loops."""
    found, row = [], 0
    for one in index.entries:
        best = (-2.0, -1)
        for start in one.passages:
            vector_D = index.vector_ND[row].astype(float)
            best = max(best, (float(vector_D @ query_D) / float(np.linalg.norm(query_D)), start))
            row += 1
        if kind in (None, one.kind):
            found.append((one.file, *best))
    return sorted(found, key=lambda item: -item[1])[:top]


@pytest.mark.parametrize("kind", [None, "text"])
def test_the_nearest_files_are_those_of_a_literal_comparison(tmp_path: Path, kind: Any) -> None:
    rng = np.random.default_rng(0)
    counts = [int(count) for count in rng.integers(1, 4, 30)]
    index = made_of(rng.standard_normal((sum(counts), 5)), counts)
    index.save(tmp_path / "a" / "index")
    with opened(tmp_path / "a" / "index") as found:
        for _ in range(5):
            query_D = rng.standard_normal(5)
            hits = found.near(query_D, 7, (kind,) if kind else ())
            expected = literal(index, query_D, 7, kind)
            assert [(hit.entry.file, hit.passage) for hit in hits] == [(file, start) for file, _, start in expected]
            assert [hit.cosine for hit in hits] == pytest.approx([cosine for _, cosine, _ in expected], abs=1e-6)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    index = made_of(np.random.default_rng(1).standard_normal((9, 4)), [2, 3, 4])
    index.save(tmp_path / "index")
    again = Index.load(tmp_path / "index")
    assert (again.made, again.entries, again.cells) == (index.made, index.entries, None)
    np.testing.assert_array_equal(again.vector_ND, index.vector_ND)


def test_cells_hold_all_vectors_and_a_search_of_the_near_ones_misses_few(tmp_path: Path) -> None:
    pytest.importorskip("faiss", reason="faiss is not installed (extra `index`)")
    rng = np.random.default_rng(2)
    centre_ND = np.repeat(rng.standard_normal((60, 8)), 100, axis=0)
    plain = made_of(centre_ND + 0.5 * rng.standard_normal(centre_ND.shape))
    celled = plain.with_cells(exact=1000)
    assert celled.cells is not None
    assert celled.cells.centroid_CD.shape == (6000 // 128, 8)
    assert plain.with_cells(exact=6000).cells is None
    celled.save(tmp_path / "index")
    again = Index.load(tmp_path / "index")
    np.testing.assert_array_equal(again.vector_ND, plain.vector_ND)
    assert again.with_cells(exact=1000) is again, "centroids are kept while they fit"
    right = read = 0
    with opened(tmp_path / "index") as found:
        for query_D in plain.vector_ND[::300] + 0.1 * rng.standard_normal((20, 8)).astype(np.float32):
            expected = [file for file, *_ in literal(plain, query_D, 10)]
            assert [hit.entry.file for hit in found.near(query_D, 10, exact=True)] == expected
            right += len({hit.entry.file for hit in found.near(query_D, 10)} & set(expected))
            read += sum(stop - start for start, stop in found._runs(query_D, False))
    assert right / 200 > 0.9
    assert read / 20 < 0.6 * len(plain.vector_ND)


@pytest.mark.parametrize(
    "harm",
    ["nothing", "pickle", "short", "other", "outside", "counts", "entry", "passage", "edge"],
)
def test_a_file_that_is_no_index_is_refused(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "index"
    index = made_of(np.eye(4, dtype=np.float32))
    if harm == "outside":
        index = replace(index, entries=(replace(entry(0), file="../secret"), *index.entries[1:]))
    index.save(path)
    tensors = load_file(path)
    about = {"format": FORMAT, "agent": "a", "weights": "w"}
    if harm == "nothing":
        path.write_bytes(b"")
    elif harm == "pickle":
        path.write_bytes(pickle.dumps(["a list"]))
    elif harm == "short":
        path.write_bytes(path.read_bytes()[:-3])
    elif harm == "other":
        save_file({"a": np.zeros(3)}, path)
    elif harm == "counts":
        save_file({**tensors, "vector": tensors["vector"][:3]}, path, about)
    elif harm == "edge":
        more = {"centroid": np.zeros((2, 4), np.float32), "edge": np.array([0, 9, 4])}
        save_file({**tensors, **more}, path, about)
    elif harm != "outside":
        save_file({**tensors, harm: tensors[harm] + 9}, path, about)
    with pytest.raises(ValueError, match="is no index, or a broken one"), opened(path):
        pass
    with pytest.raises(FileNotFoundError, match="opengato index"):
        Index.load(tmp_path / "gone")


@pytest.mark.parametrize("text", [TEXT, "", " \n", "one", TEXT[:401], "a. " * 500])
def test_passages_hold_every_letter_once(text: str) -> None:
    found = passages(text, longest=100)
    assert "".join("".join(part.split()) for _, part in found) == "".join(text.split())
    for start, part in found:
        assert text[start : start + len(part)] == part
        assert 0 < len(part) <= 100
    assert len(passages(text, longest=100, most=3)) <= 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty pictures, of which one is broken, a text, a sound that nobody hears, and what is none of these."""
    place = tmp_path / "set"
    (place / "deep").mkdir(parents=True)
    (place / ".hidden").mkdir()
    rng = np.random.default_rng(3)
    for number in range(40):
        pixels = rng.integers(0, 255, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(place / ("deep" if number % 2 else "") / f"{number:02d}.png")
    (place / "00.png").write_bytes((place / "00.png").read_bytes()[:60])
    (place / "a.txt").write_text(TEXT, encoding="utf-8")
    (place / "empty.txt").write_text("")
    (place / "b.flac").write_bytes(b"fLaC")
    (place / "c.bin").write_bytes(b"\0")
    (place / ".hidden" / "d.txt").write_text("no")
    return place


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many parts were embedded, call by call."""
    calls: list[int] = []
    embed = Agent.embed

    def counted(self: Agent, inputs: list[list[Any]]) -> np.ndarray:
        found = embed(self, inputs)
        calls.append(len(inputs))
        return found

    monkeypatch.setattr(Agent, "embed", counted)
    return calls


def test_only_what_is_new_is_embedded(folder: Path, embedded: list[int]) -> None:
    agent = tiny_agent()
    assert [found.file for found in listed(folder) if found.kind != "image"] == ["a.txt", "b.flac", "empty.txt"]
    first = Update(agent, MADE, folder, None)
    assert len(first.todo) == 42
    assert sum(first.run()) == 42
    index = first.index()
    assert sum(embedded) == 39 + len(passages(TEXT))
    assert sorted(first.failed) == ["00.png", "empty.txt"]
    assert "truncated" in first.failed["00.png"] or "cannot be decoded" in first.failed["00.png"]
    assert first.unsensed == 1
    one = index.vector_ND[[item.file for item in index.entries].index("02.png")]
    np.testing.assert_allclose(one, indexing.unit(agent.embed([[(folder / "02.png").read_bytes()]]))[0], atol=1e-5)

    embedded.clear()
    (folder / "02.png").rename(folder / "deep" / "moved.png")
    (folder / "04.png").unlink()
    os.utime(folder / "06.png", (1, 1))
    (folder / "08.png").write_bytes((folder / "10.png").read_bytes())
    (folder / "new.txt").write_text("new")
    Image.new("RGB", (8, 8)).save(folder / "00.png")
    second = Update(agent, MADE, folder, index)
    assert [found.file for found in second.todo] == ["00.png", "empty.txt", "new.txt"]
    assert (second.kept, second.gone) == (39, 2)
    assert sum(second.run()) == 3
    assert sum(embedded) == 2
    plain = Update(agent, MADE, folder, None)
    list(plain.run())
    assert plain.index().entries == second.index().entries
    np.testing.assert_allclose(second.index().vector_ND, plain.index().vector_ND, atol=1e-5)


def test_it_goes_on_where_it_was_broken_off_and_begins_anew_with_other_weights(folder: Path) -> None:
    agent = tiny_agent()
    broken = Update(agent, MADE, folder, None)
    done = sum(itertools.islice(broken.run(), 2))
    rest = Update(agent, MADE, folder, broken.index())
    assert len(rest.todo) == 42 - done + len(broken.failed)
    assert len(Update(agent, Made(agent="nobody", weights="1"), folder, broken.index()).todo) == 42


def test_a_folder_without_anything_to_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\0")
    with pytest.raises(ValueError, match="no file here that this agent can read"):
        Update(tiny_agent(), MADE, tmp_path, None).index()
    with pytest.raises(ValueError, match="is no folder"):
        Update(tiny_agent(), MADE, tmp_path / "gone", None)
