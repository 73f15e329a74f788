"""An evaluation that is broken off goes on, and takes nobody else's results for its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from opengato import evaluators
from opengato.evaluators import Interval, Settings, TaskResult, evaluate
from opengato.evaluators.kept import digest, part_of
from tests.tiny import tiny_agent

TASKS = ["babyai/GoToLocal", "babyai/PickupLoc", "babyai/GoToObj"]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that are really measured, in order; the third one is broken off once."""
    called: list[str] = []

    def run(agent: Any, task: str, settings: Settings, on_sample: Any) -> TaskResult:
        called.append(task)
        if len(called) == 3:
            raise KeyboardInterrupt
        return TaskResult(
            task=task,
            metric="accuracy",
            score=Interval(value=0.5, low=0.25),
            figures={"length": Interval(value=float(len(called)))},
            references={"chance": 0.1},
            samples={"right": (1.0, 0.0)},
            num_samples=2,
            seed=settings.seed,
            notes={"expert": "a bot"},
        )

    monkeypatch.setattr(evaluators, "run_task", run)
    return called


def test_finished_tasks_are_not_measured_again(measured: list[str], tmp_path: Path) -> None:
    part = part_of(tmp_path / "new" / "out.json")
    with pytest.raises(KeyboardInterrupt):
        evaluate("random", TASKS, 5, keep=part)
    with part.open("a") as file:
        file.write('{"seconds": 1.0, "result": {"ta')  # as if it had been broken off in the middle of a line
    report = evaluate("random", TASKS, 5, keep=part)
    assert measured == [*TASKS, TASKS[2]]
    assert [result.task for result in report.results] == TASKS
    assert [result.figures["length"].value for result in report.results] == [1, 2, 4]
    again = evaluate("random", TASKS[::-1], 5, keep=part)
    assert again.results == report.results[::-1]
    assert again.seconds == report.seconds > 0
    assert len(measured) == 4
    assert part.name == "out.json.part"


@pytest.mark.parametrize("change", [{"episodes": 6}, {"seed": 1}, {"anchors": "jat"}, {"data": Path("elsewhere")}])
def test_results_of_other_settings_are_not_taken(
    change: dict[str, Any], measured: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part, settings = tmp_path / "part", Settings(episodes=5)
    evaluate("random", TASKS[:1], settings=settings, keep=part)
    evaluate("random", TASKS[:1], settings=dataclasses.replace(settings, num_envs=3, processes=1), keep=part)
    assert measured == TASKS[:1]
    assert capsys.readouterr().err == ""
    evaluate("random", TASKS[:1], settings=dataclasses.replace(settings, **change), keep=part)
    assert measured == [TASKS[0]] * 2
    assert "begun anew" in capsys.readouterr().err
    assert len(part.read_text().splitlines()) == 2


def test_an_agent_is_known_by_its_numbers(measured: list[str], tmp_path: Path) -> None:
    agent, twin = tiny_agent(), tiny_agent()
    assert digest(agent) == digest(twin)
    evaluate(agent, TASKS[:1], keep=tmp_path / "part")
    evaluate(twin, TASKS[:1], keep=tmp_path / "part")
    assert len(measured) == 1
    with torch.no_grad():
        next(twin.backbone.parameters()).view(-1)[0] += 1
    evaluate(twin, TASKS[:1], keep=tmp_path / "part")
    assert len(measured) == 2
