"""The page of an arena: whole, safe, readable without a network, and it says who was better at what."""

from __future__ import annotations

import re

import pytest

from opengato.evaluators.arena_page import arena_page, title
from opengato.evaluators.arena_plots import Axis, mark, score_plot, shortened, task_plot
from opengato.evaluators.arena_report import arena_lines
from opengato.evaluators.statistics import Interval
from tests.evaluators.arena_toys import LEVELS, NAMES, body
from tests.evaluators.test_demo import Reader

pytest.importorskip("scipy")


def test_the_table_by_hand() -> None:
    head, plain, *others = arena_lines(body())
    assert head == [
        *("contestant", "score", "p", "verdict", "parameters", "GFLOP a step", "steps", "positions", "minutes", "rate")
    ]
    assert plain[0] == "plain"
    assert plain[2:] == [
        *("-", "the baseline", "2.00M", "3.00", "1,000", "0.51M", "1.5"),
        "x 0.33 (0.0033), at the edge of the grid",
    ]
    assert [line[3] for line in others] == ["no difference shown", "worse", "no difference shown"]


def test_the_page_is_whole_and_asks_nothing_of_a_network() -> None:
    text = arena_page(body())
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    assert "http" not in text
    assert "@import" not in text
    assert "<script" not in text
    assert not re.search(r"url\(", text)
    assert "prefers-color-scheme: dark" in text
    assert "<b>a</b>" not in text
    assert "<no way>" not in text
    assert len(reader.all("h1")) == len(reader.all("main")) == 1
    pictures = [svg for svg in reader.all("svg") if svg.get("role") == "img"]
    assert len(pictures) == 2
    assert all(svg["aria-label"] for svg in pictures)


def test_the_page_names_everyone_and_says_what_is_shown() -> None:
    found = body()
    text = arena_page(found)
    for name in NAMES:
        assert name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in text
    for task in LEVELS:
        assert text.count(f">{task}<") == 2, "in the picture and in the table"
    for said in (
        "worse &amp; worse is worse than plain: -0.08",
        f"No difference shown between {NAMES[3]} and plain",
        "nothing but its name",
        "diverged",
        "translate/toy has no scale of points",
        "atari/Bowling: its expert is not above",
        "fog: b cannot read text/fog",
        "Training took 18 min 0 s in all",
        "3 runs each",
    ):
        assert said in text, said
    assert title(found) == "worse &amp; worse: worse."
    worse = next(one for one in found["verdicts"] if one["outcome"] == "worse")
    shown = [test for test in worse["tasks"] if test["p_corrected"] < 0.05]
    assert text.count(" ↓") == len(shown)


def test_nothing_shown_and_nothing_tried_are_said() -> None:
    found = body(seeds=1, tries=1)
    text = arena_page(found)
    assert title(found) == "No difference shown."
    assert "None were tried" in text
    assert "1 run each" in text
    assert text.count("None could be") == 2
    assert text.count("the same mean in every task") == 1


def test_axes_hold_all_values_and_end_round() -> None:
    for values in ([0.31, 0.9], [-0.013, 0.02], [0.0], [-3.0, 1.0], [1e-5]):
        axis = Axis.over(values)
        assert axis.low <= min(values)
        assert max(values) <= axis.high
        assert len(axis.ticks()) <= 8
        assert all(abs(tick / axis.step - round(tick / axis.step)) < 1e-6 for tick in axis.ticks())
    axis = Axis.over([0.0, 1.0])
    assert (axis.x(0.0), axis.x(0.5), axis.x(1.0)) == (250.0, 485.0, 720.0)


def test_marks_are_where_the_numbers_are() -> None:
    axis = Axis.over([0.0, 1.0])
    plot = score_plot({"a": Interval(value=0.5, low=0.25, high=1.0)}, {"a": [0.0, 1.0]})
    assert f'<line x1="{axis.x(0.25)}" x2="{axis.x(1.0)}" y1="13" y2="13"' in plot
    assert f'<circle cx="{axis.x(0.5)}" cy="13" r="5"/>' in plot
    rows = task_plot(["t/one", "t/two"], {"a": [0.0, 1.0], "b": [1.0, 0.0]})
    assert f'<circle cx="{axis.x(1.0)}" cy="39" r="5"/>' in rows
    assert len({mark(number, 0, 0).partition(" ")[0] + str(number == 3) for number in range(4)}) == 4
    assert len(shortened("x" * 80)) == 32
    assert shortened("x" * 32) == "x" * 32
