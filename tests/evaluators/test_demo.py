"""The page of the demo: whole, safe, readable without a network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from opengato.evaluators import Report, demo
from opengato.evaluators.demo import Size, Stages, control_tasks, even_steps, run_demo
from opengato.evaluators.demo_page import bar, duration
from opengato.evaluators.statistics import Interval
from tests.evaluators.fakes import FakeAgent

VOID = {"meta", "link", "img", "br", "wbr", "line", "rect", "input"}
TASKS = ["babyai/GoToObjS4", "babyai/GoToLocal", "babyai/GoTo", "metaworld/reach", "text/austen", "caption/emoji"]
CARD = {
    "recipe": "tiny",
    "command": "opengato train tiny",
    "tasks": TASKS,
    "training_seconds": 5400,
    "steps": 10,
    "machine": "x86_64, 2 threads, Linux",
    "data": {"austen": {"title": "Novels & more", "licence": "public domain", "episodes": 1500, "share": 0.5}},
}
SIZE = Size(tasks_per_family=1, episodes=2, longest_task=100, render_size=64, pictures=4, documents=3)


class Reader(HTMLParser):
    """Collects tags and checks that they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """The folder of a demo, its page and what the terminal said."""
    out = tmp_path_factory.mktemp("demo")
    console = Console(record=True, width=100, file=None, quiet=False)
    path = run_demo(FakeAgent(card=CARD), out, name="tiny", size=SIZE, stages=Stages(console))  # ty: ignore[invalid-argument-type]
    return out, path.read_text(encoding="utf-8"), console.export_text()


def test_page_asks_nothing_of_a_network(shown: tuple[Path, str, str]) -> None:
    _, text, _ = shown
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert not re.search(r"url\(", text)
    reader = Reader()
    reader.feed(text)
    for tag, attributes in reader.tags:
        for name in ("src", "href", "poster", "action", "srcset"):
            if (address := attributes.get(name)) is not None:
                assert address.startswith(("data:", "#")), f"<{tag} {name}={address[:40]!r}>"


def test_page_is_whole_and_accessible(shown: tuple[Path, str, str]) -> None:
    _, text, _ = shown
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert reader.all("html")[0]["lang"] == "en"
    assert len(reader.all("h1")) == 1
    assert all(picture.get("alt") for picture in reader.all("img"))
    assert all(film.get("aria-label") and "controls" in film for film in reader.all("video"))
    assert all(drawing.get("aria-label") for drawing in reader.all("svg"))
    targets = {attributes.get("id") for _, attributes in reader.tags}
    assert all(link["href"][1:] in targets for link in reader.all("a") if link["href"])
    assert "prefers-color-scheme: dark" in text
    assert "$" not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", text, flags=re.DOTALL)


def test_page_shows_what_was_done(shown: tuple[Path, str, str]) -> None:
    out, text, said = shown
    report = Report.from_json(out / "report.json")
    assert [result.task for result in report.results] == ["babyai/GoToLocal", "caption/emoji", "text/austen"]
    for needed in ("GoToLocal", "Novels &amp; more", "public domain", "1 h 30 min", "opengato train tiny", "1,234,567"):
        assert needed in text
    assert text.count("<figure>") == 4
    assert "a &lt;b&gt;hat&lt;/b&gt; &amp; a cat" in text, "what a network writes is text, not HTML"
    assert "<script>alert" not in text
    assert "playing for scores" in said
    assert "babyai/GoToLocal" in said
    assert "index.html" in said.replace("\n", "")


def test_without_opengl_the_page_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def blind(*_: Any) -> None:
        raise RuntimeError("cannot draw <pictures>. Run: apt-get install libegl1")

    monkeypatch.setattr(demo, "play", blind)
    agent: Any = FakeAgent(card=CARD)
    text = run_demo(agent, tmp_path, name="tiny", size=SIZE, stages=Stages(Console(quiet=True))).read_text()
    assert "No videos of babyai: cannot draw &lt;pictures&gt;. Run: apt-get install libegl1" in text
    assert "<video" not in text
    assert "go to the" in text, "the instruction stands in words then"
    assert "<figure>" in text


def test_tasks_are_chosen_before_anything_is_known() -> None:
    assert control_tasks(TASKS, Size(tasks_per_family=2)) == ["babyai/GoToObjS4", "babyai/GoToLocal", "metaworld/reach"]
    assert control_tasks([], Size()) == []
    assert even_steps(10, 4) == [1, 3, 6, 8]
    assert even_steps(2, 4) == [0, 1]
    assert even_steps(0, 4) == []


def test_words_for_numbers() -> None:
    assert [duration(s) for s in (9.6, 125, 5520)] == ["10 s", "2 min 5 s", "1 h 32 min"]
    drawn = bar(Interval(value=7.0, low=-9.0, high=9.0))
    assert 'x1="0.0" x2="240.0"' in drawn, "what is off the scale stops at its ends"
