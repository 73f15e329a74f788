"""`opengato index` and `opengato search` by the shipped agent, and by an untrained one that hears and sees films."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from opengato import cli
from opengato.agent.files import load_agent, save_agent
from opengato.agent.index import PLACE, opened
from opengato.core.film import write_film
from opengato.core.media import wav
from opengato.evaluators.heldout import held_out_pictures, held_out_text
from opengato.nn import contrast
from tests.test_cli import Output, elsewhere, wrong  # noqa: F401 - `elsewhere` is a fixture
from tests.tiny import sensing_config

PICTURES, TEXTS, LENGTH = 16, 4, 380


def found(output: Output, *words: str) -> list[dict[str, Any]]:
    output.readouterr()
    assert cli.main(["search", *words, "--json"]) == 0
    return json.loads(output.readouterr().out)


def done(output: Output, *words: str) -> dict[str, Any]:
    output.readouterr()
    assert cli.main(["index", *words, "--json"]) == 0
    return json.loads(output.readouterr().out)


def test_the_shipped_agent_finds_what_it_never_saw(capsys: Output) -> None:
    """A picture by a small and lossy copy of itself, a page by half of it; it was not taught to find more."""
    Path("set").mkdir()
    shown, prose = held_out_pictures("caption/emoji")[:PICTURES], held_out_text("text/austen")
    for number, one in enumerate(shown):
        Path(f"set/{number:02d}.png").write_bytes(one.png)
    pages = [prose[start : start + LENGTH] for start in range(5000, 5000 + TEXTS * 3000, 3000)]
    for number, page in enumerate(pages):
        Path(f"set/{number:02d}.txt").write_text(page, encoding="utf-8")
    facts = done(capsys, "set")
    assert (facts["files"], facts["embedded"], facts["kept"]) == (PICTURES + TEXTS, PICTURES + TEXTS, 0)
    assert found(capsys, "set", pages[3], "--kind", "text")[0]["file"] == "set/03.txt"
    queries: list[Any] = [page[: LENGTH // 2] for page in pages]
    for one in shown:
        copy = io.BytesIO()
        Image.open(io.BytesIO(one.png)).convert("RGB").resize((56, 56)).save(copy, "JPEG", quality=80)
        queries.append(copy.getvalue())
    vectors = load_agent("tiny").embed([[query] for query in queries])
    with opened(Path("set", PLACE)) as index:
        names = [index.near(vector, 1)[0].entry.file for vector in vectors]
    assert sum(name == f"{number:02d}.txt" for number, name in enumerate(names[:TEXTS])) >= 0.75 * TEXTS
    assert sum(name == f"{number:02d}.png" for number, name in enumerate(names[TEXTS:])) >= 0.75 * PICTURES


@pytest.fixture
def more() -> str:
    """An agent of random weights with a sense for everything."""
    torch.manual_seed(0)
    save_agent(dataclasses.replace(sensing_config(), contrast=contrast.Config(size=8)).build(), Path("more"))
    return "more"


def test_sounds_and_films_among_words_and_pictures(more: str, capsys: Output) -> None:
    chance = np.random.default_rng(0)
    Path("set/deep").mkdir(parents=True)
    for number in range(3):
        film = write_film(chance.integers(0, 255, (4, 16, 16, 3)).astype(np.uint8), 4, lossless=True)
        Path(f"set/deep/{number}.mkv").write_bytes(film)
        Path(f"set/{number}.wav").write_bytes(wav(0.1 * chance.standard_normal(8000), 16_000))
        Image.fromarray(chance.integers(0, 255, (16, 16, 3)).astype(np.uint8)).save(f"set/{number}.png")
        Path(f"set/<b>{number}.txt").write_text("so <i>it</i> was. " * 40 + f"{number}")
    Path("set/broken.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    facts = done(capsys, "set", "--agent", more, "--file", "kept/it")
    assert (facts["files"], facts["left out"], facts["embedded"]) == (12, 1, 12)
    assert facts["vectors"] > 12
    for name in ("deep/1.mkv", "2.wav", "0.png", "<b>2.txt"):
        rows = found(capsys, "set", f"set/{name}", "--file", "kept/it", "--top", "20")
        assert len(rows) == 12
        assert rows[0]["cosine"] == pytest.approx(1, abs=1e-3)
        assert name == "<b>2.txt" or rows[0]["file"] == f"set/{name}"
    rows = found(capsys, "set", "hm", "--file", "kept/it", "--kind", "audio", "--page", "out/found.html")
    assert {row["file"] for row in rows} == {"set/0.wav", "set/1.wav", "set/2.wav"}
    assert Path("out/found.html").read_text().count('<audio controls preload="metadata" src="../set/') == 3
    assert cli.main(["search", "set", "<script>", "--file", "kept/it", "--page", "found.html", "--top", "20"]) == 0
    page = Path("found.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<b>0.txt" not in page
    assert "<i>it" not in page
    assert 'src="set/deep/1.mkv"' in page
    assert page.count("data:image/jpeg") == 3


def test_what_cannot_be_searched_is_told(more: str, capsys: Output) -> None:
    Path("set").mkdir()
    assert "no index at 'set/.opengato/index.safetensors'" in wrong(capsys, "search", "set", "x")
    assert "no file here" in wrong(capsys, "index", "set", "--agent", more)
    Image.new("RGB", (8, 8)).save("set/a.png")
    assert cli.main(["index", "set", "--agent", more]) == 0
    assert "files: 1, vectors: 1, embedded: 1" in capsys.readouterr().out
    assert "by other weights" in wrong(capsys, "search", "set", "x", "--agent", "tiny")
    assert "--top 0" in wrong(capsys, "search", "set", "x", "--top", "0")
    assert "ends in .html" in wrong(capsys, "search", "set", "x", "--page", "a.pdf")
    assert "empty query" in wrong(capsys, "search", "set", " ")
    Path("a.bin").write_bytes(b"\0")
    assert "no text, picture, sound or film" in wrong(capsys, "search", "set", "a.bin")
    assert cli.main(["search", "set", "x" * 3000]) == 0
    Path("set/a.png").unlink()
    assert found(capsys, "set", "x", "--page", "gone.html")[0]["file"] == "set/a.png"
    Path("set/.opengato/index.safetensors").write_bytes(b"\x80\x04.")
    assert "is no index, or a broken one" in wrong(capsys, "search", "set", "x")
