"""`opengato caption`, `ask`, `transcribe`, `draw`, `retrieve`: files in, words out, or why it cannot be."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opengato import cli
from opengato.agent.files import load_agent, save_agent
from opengato.agent.model import Agent
from opengato.cli import senses
from opengato.core.media import wav
from opengato.modalities import audio
from opengato.modalities.image import tokens
from opengato.nn import contrast
from tests.test_cli import Output, elsewhere, wrong  # noqa: F401 - `elsewhere` is a fixture
from tests.tiny import vector_config

TONE = wav(np.sin(np.arange(4000) / 5), 8000)


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One that sees; one that hears, draws and has learnt to retrieve, too."""
    folder = tmp_path_factory.mktemp("agents")
    seeing = vector_config()
    more = dataclasses.replace(
        seeing,
        modalities={**seeing.modalities, "sound": audio.Config(), "ids": tokens.Config()},
        routes={**seeing.routes, "observation/audio": "sound", "action/image": "ids"},
        contrast=contrast.Config(size=8),
    )
    for name, config in {"seeing": seeing, "more": more}.items():
        agent = config.build()
        agent.card = {"recipe": name}
        save_agent(agent, folder / name)
    return {name: str(folder / name) for name in ("seeing", "more")}


def say(monkeypatch: pytest.MonkeyPatch) -> list[list]:
    """Let agents answer `a flag` to whatever they are shown; what they were shown."""
    shown = []

    def stream(self: Agent, inputs: list, *_: object, **__: object) -> object:
        shown.append(inputs)
        return iter(["a", " fl", "ag"])

    monkeypatch.setattr(Agent, "stream", stream)
    return shown


def test_caption_names_files_where_there_are_several(
    agents: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    shown = say(monkeypatch)
    Image.new("RGB", (20, 10), "red").save("red.png")
    assert cli.main(["caption", "red.png", "--agent", agents["seeing"]]) == 0
    assert capsys.readouterr().out == "a flag\n"
    assert cli.main(["caption", "red.png", "sample:1", "--agent", agents["seeing"]]) == 0
    assert capsys.readouterr().out == "red.png: a flag\nsample:1: a flag\n"
    assert [words for _, words in shown] == ["describe the picture"] * 3
    assert cli.main(["ask", "red.png", "what colour is it?", "--agent", agents["seeing"]]) == 0
    assert shown[-1][0].size == (20, 10)
    assert shown[-1][1] == "what colour is it?"


def test_a_real_agent_writes_the_same_with_and_without_the_command(agents: dict[str, str], capsys: Output) -> None:

    assert cli.main(["caption", "sample:2", "--agent", agents["seeing"], "--length", "5"]) == 0
    [item] = [item for item in senses.shipped_samples() if item.name == "sample:2"]
    expected = load_agent(agents["seeing"]).generate([item.value, "describe the picture"], max_new_tokens=5)
    assert capsys.readouterr().out == expected + "\n"


def test_what_an_agent_lacks_is_named_with_what_it_has(agents: dict[str, str], capsys: Output) -> None:
    Path("a.wav").write_bytes(TONE)
    Path("notes.rst").write_text("# no")
    said = wrong(capsys, "transcribe", "a.wav", "--agent", agents["seeing"])
    assert "has no sense for sounds (a.wav): it takes text, pictures" in said
    assert cli.main(["transcribe", "a.wav", "--agent", agents["more"], "--length", "2"]) == 0
    capsys.readouterr()
    assert "cannot draw: it writes text, discrete, continuous" in wrong(
        capsys, "draw", "x", "--agent", agents["seeing"]
    )
    assert "is no sound: it holds pictures" in wrong(capsys, "transcribe", "sample:0", "--agent", agents["more"])
    assert "'gone.png' is no file" in wrong(capsys, "caption", "gone.png")
    assert "expected sample:0 to sample:" in wrong(capsys, "caption", "sample:x")
    assert "'notes.rst'" in wrong(capsys, "ask", "notes.rst", "what?")
    assert "no file was named" in wrong(capsys, "caption")


def test_drawing_leaves_a_picture(agents: dict[str, str], capsys: Output) -> None:
    words = ["draw", "a red apple", "--agent", agents["more"], "--size", "80", "--seed", "4", "--out", "new/a.png"]
    assert cli.main(words) == 0
    first = np.asarray(Image.open("new/a.png"))
    assert first.shape == (80, 80, 3)
    assert cli.main(words) == 0
    assert (np.asarray(Image.open("new/a.png")) == first).all(), "the seed says which picture"
    words[words.index("4")] = "5"
    assert cli.main(words) == 0
    assert (np.asarray(Image.open("new/a.png")) != first).any()


def test_retrieve_ranks_a_folder(agents: dict[str, str], capsys: Output) -> None:
    """A file is most like itself; what the agent has no sense for is passed over, and so is what is no medium."""
    folder = Path("things/deep")
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name in "abc":
        pixels = generator.integers(0, 256, (16, 16, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "d.wav").write_bytes(TONE)
    (folder / "e.txt").write_text("a word\n")
    (folder / "f.bin").write_bytes(b"\0\1")
    (folder / "g.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(64))
    for name, listed in (("more", "abcde"), ("seeing", "abce")):
        assert (
            cli.main(["retrieve", "things", "things/deep/b.png", "--agent", agents[name], "--top", "9", "--json"]) == 0
        )
        seen = capsys.readouterr()
        rows = json.loads(seen.out)
        assert sorted(Path(row["file"]).stem for row in rows) == list(listed)
        assert rows[0] == {"file": "things/deep/b.png", "cosine": 1.0}
        assert [row["cosine"] for row in rows] == sorted((row["cosine"] for row in rows), reverse=True)
        assert ("not taught to retrieve" in seen.err) == (name == "seeing")
    assert cli.main(["retrieve", "things", "a word", "--agent", agents["more"], "--top", "1"]) == 0
    assert capsys.readouterr().out == "  1.000  things/deep/e.txt\n"
    Path("empty").mkdir()
    assert "holds nothing that this agent has a sense for" in wrong(capsys, "retrieve", "empty", "x")


def test_ctrl_c_ends_the_line(agents: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    def stream(*_: object, **__: object) -> object:
        yield "a fl"
        raise KeyboardInterrupt

    monkeypatch.setattr(Agent, "stream", stream)
    assert cli.main(["caption", "sample:0", "--agent", agents["seeing"]]) == 130
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("a fl\n", "stopped\n")
