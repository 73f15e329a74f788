"""What `opengato play` says of an agent that names tasks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from opengato import cli
from opengato.cli import agents
from opengato.evaluators.video import Played
from opengato.nn import decision
from tests.test_cli import Output
from tests.tiny import tiny_agent, toy_episode


def test_it_says_what_the_agent_takes_the_task_for(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    """An agent that has learnt nothing takes it for each of its tasks alike; the three likeliest are told."""
    agent = tiny_agent(tasks=("a/b", "a/c", "a/d", "a/e"), decision=decision.Config())
    episode = replace(toy_episode(), provenance={"seed": 0})
    played = Played(episode=episode, path=Path("x.webp"), frames=1, fps=5, size=(1, 1))
    monkeypatch.setattr(agents, "player_of", lambda *_: agent)
    monkeypatch.setattr(agents.video, "play", lambda *_: played)
    assert cli.main(["play", "any", "babyai/GoToLocal"]) == 0
    assert "taken for: a/b 0.25, a/c 0.25, a/d 0.25\n" in capsys.readouterr().out
    assert cli.main(["play", "any", "babyai/GoToLocal", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["taken for"] == pytest.approx({"a/b": 0.25, "a/c": 0.25, "a/d": 0.25})
    monkeypatch.setattr(agents, "player_of", lambda *_: tiny_agent())
    assert cli.main(["play", "any", "babyai/GoToLocal"]) == 0
    assert "taken for" not in capsys.readouterr().out
