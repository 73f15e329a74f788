"""The code in the documentation runs: the pages as a newcomer would follow them, and every command line as far as its
arguments.

A page's blocks are executed in order in a copy of the checkout made of links: a block whose first line is a comment
with a path is written to that file, any other Python block is a script, and a bash block is a list of commands.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from opengato.agent.files import shipped
from opengato.cli import parse, without_modules
from opengato.cli.arguments import COMMANDS
from tests.house import PACKAGE, ROOT, place, tree

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# ([\w/-]+\.py)\n")
README = ROOT / "README.md"
PAGES = [path for path in tree() if path.suffix == ".md"]
# Folders that a page adds to: their entries are linked one by one.
OPENED = ("envs", "modalities", "modalities/text")


@dataclass(frozen=True)
class Block:
    language: str
    text: str

    @property
    def file(self) -> str | None:
        found = FILE.match(self.text) if self.language == "python" else None
        return found[1] if found else None

    @property
    def commands(self) -> list[list[str]]:
        lines = self.text.splitlines() if self.language == "bash" else []
        words = [shlex.split(line, comments=True) for line in lines]
        return [line[1:] for line in words if line[:1] == ["opengato"]]


def blocks_of(page: Path) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(page.read_text(encoding="utf-8"))]


def open_checkout(folder: Path) -> Path:
    """A copy of the package made of links, into which files can be put without touching the real one."""
    package = folder / "src" / "opengato"
    package.mkdir(parents=True)
    opened = {PACKAGE / name for name in OPENED}

    def link(source: Path, target: Path) -> None:
        for entry in source.iterdir():
            if entry.name == "__pycache__":
                continue
            if entry in opened:
                (target / entry.name).mkdir()
                link(entry, target / entry.name)
            else:
                (target / entry.name).symlink_to(entry)

    link(PACKAGE, package)
    return folder


def run(words: list[str], checkout: Path) -> str:
    paths = os.pathsep.join([str(checkout / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    settings = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    done = subprocess.run([sys.executable, *words], cwd=checkout, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def follow(page: Path, checkout: Path) -> str:
    """All that a page's scripts and commands print."""
    printed = ""
    for number, block in enumerate(blocks_of(page)):
        if block.file is not None:
            (checkout / block.file).parent.mkdir(parents=True, exist_ok=True)
            (checkout / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            (checkout / f"block_{number}.py").write_text(block.text, encoding="utf-8")
            printed += run([f"block_{number}.py"], checkout)
        for words in block.commands:
            printed += run(["-m", "opengato", *words], checkout)
    return printed


@pytest.mark.timeout(900)
def test_add_a_task_family(tmp_path: Path) -> None:
    checkout = open_checkout(tmp_path)
    printed = follow(ROOT / "docs" / "add-a-task-family.md", checkout)
    assert "poles/cart" in printed
    report = json.loads((checkout / "out" / "balance.json").read_text())
    (result,) = report["results"]
    assert result["task"] == "poles/cart"
    assert result["score"]["value"] > 0.9


@pytest.mark.timeout(900)
def test_your_environment(tmp_path: Path) -> None:
    pytest.importorskip("minari")
    checkout = open_checkout(tmp_path)
    printed = follow(ROOT / "docs" / "your-environment.md", checkout)
    (result,) = json.loads((checkout / "out" / "mine.json").read_text())["results"]
    assert (result["task"], result["metric"]) == ("mine/balance", "return")
    assert result["score"]["value"] > 150  # random: 22
    assert "3 episodes" in printed
    assert int(re.findall(r"held for (\d+) steps", printed)[0]) > 60


@pytest.mark.timeout(900)
def test_your_data(tmp_path: Path) -> None:
    checkout = open_checkout(tmp_path)
    printed = follow(ROOT / "docs" / "your-data.md", checkout)
    assert "240 pictures" in printed
    card = json.loads((checkout / "runs" / "train" / "agent" / "card.json").read_text())
    assert card["tasks"] == ["caption/shapes"]
    stores = ("shapes/train", "shapes/test", "again/test")
    train, test, again = (
        json.loads((checkout / "data" / store / "manifest.json").read_text())["episodes"] for store in stores
    )
    assert train + test > 200
    assert again == test > 5, "what was held out is held out again"


@pytest.mark.timeout(900)
def test_self_supervised(tmp_path: Path) -> None:
    pytest.importorskip("av")
    checkout = open_checkout(tmp_path)
    printed = follow(ROOT / "docs" / "self-supervised.md", checkout)
    assert "200 pictures" in printed
    assert "(4, 64)" in printed, "features"
    assert "(3, 48)" in printed, "places of a text, a film and a sound"
    (result,) = json.loads((checkout / "out" / "probe.json").read_text())["results"]
    assert result["task"] == "probe/label-shapes"
    cards = [json.loads((checkout / f"runs/{name}/agent/card.json").read_text()) for name in ("unlabelled", "labelled")]
    assert [card["tasks"] for card in cards] == [["probe/label-shapes"], ["label/shapes"]]
    assert cards[1]["from"] == {"name": "runs/unlabelled"}
    assert "1.000  shapes/circle/000.png" in printed


@pytest.mark.timeout(900)
def test_add_a_modality(tmp_path: Path) -> None:
    printed = follow(ROOT / "docs" / "add-a-modality.md", open_checkout(tmp_path))
    assert "ran through the fog." in printed


@pytest.mark.timeout(900)
@pytest.mark.skipif("tiny" not in shipped(), reason="the shipped agent is not there")
def test_finetune(tmp_path: Path, gl: str) -> None:
    checkout = open_checkout(tmp_path)
    printed = follow(ROOT / "docs" / "finetune.md", checkout)
    assert "metaworld/coffee-pull" in printed
    cards = [json.loads((checkout / f"runs/{name}/agent/card.json").read_text()) for name in ("mine", "arm")]
    assert [card["steps"] for card in cards] == [4, 2]
    assert cards[0]["finetuned_on"] == ["metaworld/coffee-pull"]
    assert list(cards[1]["statistics"].values()) == [["arm/state"], ["metaworld/state"], []]


@pytest.mark.timeout(900)
@pytest.mark.skipif("tiny" not in shipped(), reason="the shipped agent is not there")
def test_readme(tmp_path: Path) -> None:
    """Its scripts, and the commands below a file of one's own."""
    checkout, own = open_checkout(tmp_path), False
    for block in blocks_of(README):
        if block.language == "python":
            (checkout / (block.file or "readme.py")).write_text(block.text, encoding="utf-8")
            own = block.file is not None
            if not own:
                run(["readme.py"], checkout)
        elif own and block.commands:
            own = False
            for words in block.commands:
                run(["-m", "opengato", *words], checkout)


def test_the_tree_of_the_readme_is_the_tree() -> None:
    (drawn,) = [block.text for block in blocks_of(README) if block.text.startswith("src/")]
    places = [line.split()[0] for line in drawn.splitlines()]
    inside = [name for name in places if (PACKAGE / name).exists()]
    assert all((PACKAGE / name).exists() or (ROOT / name).exists() for name in places), places
    hidden = {"__init__.py", "__main__.py", "py.typed", "__pycache__"}
    assert {path.name for path in PACKAGE.iterdir()} - hidden == {name.rstrip("/") for name in inside}


@pytest.mark.parametrize("page", PAGES, ids=place)
def test_every_command_is_one_that_the_program_takes(page: Path) -> None:
    commands = [words for block in blocks_of(page) for words in block.commands]
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for code in re.findall(r"`(opengato [^`\n]+)`", text):
        _, *words = shlex.split(code)
        assert words[0] in {name.split()[0] for name in COMMANDS}, code
        if len(words) > 1:  # else it is the name of a command and not its use
            commands.append(words)
    for words in commands:
        words, _ = without_modules(words)
        if words[-1:] != ["--help"] and not any(word.isupper() for word in words):  # `opengato inspect RECIPE`
            parse(words)


@pytest.mark.parametrize(
    "name",
    [
        "add-a-task-family.md",
        "add-a-modality.md",
        "arena.md",
        "finetune.md",
        "perceiver.md",
        "self-supervised.md",
        "your-data.md",
        "your-environment.md",
    ],
)
def test_code_keeps_the_style_of_the_house(name: str, tmp_path: Path) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not installed beside this Python")
    for number, block in enumerate(blocks_of(ROOT / "docs" / name)):
        if block.language == "python":
            file = tmp_path / (block.file or f"block_{number}.py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
    settings = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    ignored = ["--ignore", "D100,D101,D102,D103,INP001"]
    for words in (["check", *settings, *ignored, "."], ["format", "--check", "--diff", *settings, "."]):
        done = subprocess.run([str(ruff), *words], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
