"""The page of Perceiver IO, followed: its Python as it stands, its commands on made-up corpora."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opengato import cli
from opengato.core.film import write_film
from tests import corpora
from tests.docs.test_pages import blocks_of
from tests.house import ROOT

PAGE = ROOT / "docs" / "perceiver.md"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_python(capsys: pytest.CaptureFixture[str]) -> None:
    known: dict[str, object] = {}
    for block in blocks_of(PAGE):
        if block.language == "python":
            exec(block.text, known)
    told = capsys.readouterr().out
    assert "torch.Size([2, 1, 10])\ntorch.Size([2, 16384, 1])\ntorch.Size([2, 2, 1])\n" in told
    assert "language: 201,108,230" in told
    assert "multimodal: 19,858,855" in told


@pytest.mark.timeout(400)
def test_commands(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("av")
    pytest.importorskip("cv2")
    corpora.write(Path("data"), *corpora.CORPORA)
    generator = np.random.default_rng(0)
    for name in ("one.png", "two.png", "seven.png"):
        Image.fromarray(generator.integers(0, 256, (50, 70, 3)).astype(np.uint8)).save(name)
    Path("street.mp4").write_bytes(write_film(generator.integers(0, 256, (8, 64, 64, 3)).astype(np.uint8), 4))
    done = []
    for block in blocks_of(PAGE):
        for words in block.commands:
            more = corpora.SMALL if words[1] == "train" else ()
            assert cli.main([*words, *more]) == cli.DONE, (words, capsys.readouterr().err)
            done.append(words[1])
    assert {"train", "measure", "flow", "fill", "classify", "autoencode"} == set(done)
    assert Path("out/flow.png").is_file()
    assert Path("out/again.mp4").is_file()
