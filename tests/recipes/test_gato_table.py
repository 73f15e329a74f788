"""Table 1 of Gato: its sums are those that the paper prints, and what is said to stand here does."""

from __future__ import annotations

import json
import re

import pytest

from opengato import cli
from opengato.core.config import plugins
from opengato.envs import matching
from opengato.recipes import names
from opengato.recipes.gato_table import CONTROL, PRINTED, ROWS, VISION_AND_LANGUAGE, covered, statement


def test_sums_are_those_of_the_paper() -> None:
    """The paper rounds each weight to 0.01; those of control add up to 85.21, not to the 85.3 that it prints."""
    sums = {"control": CONTROL, "vision and language": VISION_AND_LANGUAGE}
    for name, rows in sums.items():
        assert sum(row.weight for row in rows) == pytest.approx(PRINTED[name], abs=0.1)
    assert sum(PRINTED.values()) == pytest.approx(100)
    assert sum(row.tasks for row in CONTROL) == 596
    assert sum(row.tasks for row in ROWS) == 604
    assert sum(row.episodes or 0 for row in CONTROL) == pytest.approx(63e6, abs=0.5e6)
    assert len({row.name for row in ROWS}) == len(ROWS) == 24


def test_tokens_per_episode_are_plausible() -> None:
    """Each of the two counts is right only if their ratio is: figures worked out by hand from the paper's table."""
    per_episode = {row.name: row.tokens / row.episodes for row in CONTROL if row.tokens and row.episodes}
    by_hand = {"DM Lab": 11.8e3, "BabyAI": 4.9e3, "Meta-World": 35.8e3, "Procgen Benchmark": 2.8e3, "Playroom": 142e3}
    for name, expected in by_hand.items():
        assert per_episode[name] == pytest.approx(expected, rel=0.02)
    assert len(per_episode) == 16


def test_what_stands_here_is_here() -> None:
    known = {*plugins("envs"), *plugins("sources")}
    for row in ROWS:
        assert {name.partition("/")[0] for name in row.here} <= known, row.name
        assert all(matching(name) for name in row.here if name.partition("/")[0] in plugins("envs")), row.name
        assert bool(row.here) == (row.status != "missing"), row.name
    assert "gato_table" not in names(), "a table and no recipe"


def test_the_shares_cover_all_of_the_weight() -> None:
    shares = covered()
    assert sum(shares.values()) == pytest.approx(1)
    # By hand: Atari 9.50, Sokoban 1.33, BabyAI 9.06, the Suite 4.62 + 7.07 + 3.04 + 3.04, Meta-World 8.96 and Procgen
    # 5.34; DM Lab 9.35, Modular RL 8.23, MassiveText 6.70 and four sets of captions, 0.67 each; of 99.93.
    assert shares["has"] == pytest.approx(51.96 / 99.93)
    assert shares["stand_in"] == pytest.approx(26.96 / 99.93)
    assert "52.0% of Gato's data" in statement()


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert cli.main(["recipes", "gato"]) == 0
    text = capsys.readouterr().out
    for row in ROWS:
        assert re.search(rf" {re.escape(row.name)} .* {row.weight:.2f}% ", text), row.name
    assert re.search(r"ALE Atari +51 +63\.4K +1\.26B +9\.50% +has", text)
    assert statement() in text
    assert cli.main(["recipes", "gato", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert len(body["rows"]) == 24
    assert body["covered"] == covered()
