"""The page of the arena, followed: its suite, and its command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.docs.test_pages import follow, open_checkout
from tests.house import ROOT


@pytest.mark.timeout(900)
def test_a_suite_of_one_s_own(tmp_path: Path) -> None:
    pytest.importorskip("minigrid")
    pytest.importorskip("scipy")
    checkout = open_checkout(tmp_path)
    printed = follow(ROOT / "docs" / "arena.md", checkout)
    assert "No difference shown between tiny:train.agent.backbone.depth=1 and tiny" in printed
    out = checkout / "runs" / "arena-levels"
    body = json.loads((out / "arena.json").read_text())
    first, second = body["contestants"]
    assert first["steps"] == 2
    assert second["steps"] > 2
    assert second["flops"] == pytest.approx(first["flops"], rel=0.5 / second["steps"])
    assert list(first["rates"]) == list(second["rates"]) == ["1", "0.333"]
    assert body["tasks"] == ["babyai/GoToObjS4", "babyai/GoToRedBallNoDists"]
    assert all(one["name"] in (out / "arena.html").read_text() for one in (first, second))
