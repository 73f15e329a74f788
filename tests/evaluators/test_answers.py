"""Questions about pictures, with agents whose answers are known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from opengato.core.episode import Episode, document
from opengato.data.store import StoreWriter
from opengato.evaluators import Settings, evaluator_of, run_task
from opengato.evaluators.answer import MOST_CHOICES, choices
from tests.evaluators.fakes import FakeAgent, written

TASK = "vqa/scenes-count"
TRUE = ["1", "2", "2", "3", "2", "Two dogs"]


def spread(total: float, rows: np.ndarray) -> np.ndarray:
    return np.full(len(rows), total / len(rows))


@pytest.fixture
def questions(tmp_path: Path) -> Settings:
    with StoreWriter(tmp_path / "scenes" / "test") as writer:
        for number, answer in enumerate(TRUE):
            writer.append([document(TASK, answer, image=b"A", instruction=f"question {number}?")])
    return Settings(data=tmp_path)


def number_of(episode: Episode) -> int:
    return int(episode.instruction.split()[1][:-1])


def test_free_answers_and_choices_are_counted_apart(questions: Settings) -> None:
    """Written: right but for case, spaces and stops on 0 and 5, right on 1, wrong or endless on the others."""
    said = ["1.", "2", "two", "4", "2" * 40, " two DOGS "]

    def nats(episode: Episode, rows: np.ndarray) -> np.ndarray:
        likely = {0: "1", 1: "1", 2: "2", 3: "3"}.get(number_of(episode), "Two dogs")
        return spread(1.0 if written(episode) == likely else 2.0, rows)

    agent = FakeAgent(nats, says=lambda episode: said[number_of(episode)])
    result = run_task(agent, TASK, questions)
    assert result.metric == "exact match"
    assert result.samples["exact"] == (1, 1, 0, 0, 0, 1)
    assert result.samples["chosen"] == (1, 0, 1, 1, 0, 1)
    assert result.samples["stopped"] == (1, 1, 1, 1, 0, 1)
    assert result.score.value == pytest.approx(0.5)
    assert result.figures["by choice"].value == pytest.approx(4 / 6)
    assert result.figures["stops"].value == pytest.approx(5 / 6)
    assert result.references["majority"] == pytest.approx(3 / 6)
    assert len(agent.asked) == 6 * 4, "each question with each answer of the task"
    assert evaluator_of(TASK).num_samples(TASK, questions) == 6


def test_a_choice_is_judged_by_its_whole_probability(questions: Settings) -> None:
    """3 nats of a long answer are less likely than 2 of a short one, whatever their means over tokens."""

    def nats(episode: Episode, rows: np.ndarray) -> np.ndarray:
        return spread({"1": 2.0, "Two dogs": 3.0}.get(written(episode), math.inf), rows)

    result = run_task(FakeAgent(nats), TASK, questions)
    assert result.samples["chosen"] == (1, 0, 0, 0, 0, 0)


def test_of_many_answers_a_hundred_are_offered() -> None:
    answers = [f"answer {i}" for i in range(300)]
    drawn = choices(answers, 7, np.random.default_rng(0))
    assert len(set(drawn)) == MOST_CHOICES
    assert "answer 7" in drawn
    assert drawn == sorted(drawn) == choices(answers, 7, np.random.default_rng(0))
    assert drawn != choices(answers, 7, np.random.default_rng(1))
    assert choices(["b", "a", "b"], 0, np.random.default_rng(0)) == ["a", "b"]


def test_what_is_not_imported_is_told(tmp_path: Path) -> None:
    why = evaluator_of(TASK).unfit(TASK, Settings(data=tmp_path))
    assert why is not None
    assert "run `opengato import scenes" in why
    assert TASK in evaluator_of(TASK).tasks("vqa")
