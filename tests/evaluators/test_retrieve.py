"""Ranks, recalls and TF-IDF by hand; and an agent that knows which caption is whose. Letters: Q, C, D."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opengato.core.views import task_about
from opengato.evaluators import Settings, evaluator_of, run_task
from opengato.evaluators.heldout import held_out_pictures
from opengato.evaluators.imported import baselines
from opengato.evaluators.retrieve import cosines, halves, ranks, recall, tf_idf
from opengato.nn import contrast
from tests.tiny import vector_config


class Knowing:
    """An agent whose vectors are of the captions, and know which picture has which."""

    def __init__(self, task: str, wrong: int = 0) -> None:
        self.of = {picture.png: picture.caption for picture in held_out_pictures(task)}
        self.wrong = wrong

    def embed(self, inputs: list[list[Any]]) -> np.ndarray:
        known = sorted(set(self.of.values()))
        vectors = np.zeros((len(inputs), len(known)))
        for row, (item,) in enumerate(inputs):
            place = known.index(self.of.get(item, item))
            vectors[row, (place + self.wrong) % len(known) if item in self.of else place] = 1
        return vectors


def test_ranks_count_what_comes_before_the_best_right_one() -> None:
    score = np.array([[0.1, 0.9, 0.5, 0.5], [0.3, 0.3, 0.3, 0.3], [0.9, 0.1, 0.8, 0.7]])
    right = np.array([[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 1, 1]], bool)
    assert ranks(score, right).tolist() == [2, 2, 1]
    assert recall([2.0, 2.0, 1.0], 2).value == pytest.approx(1 / 3)


def test_tf_idf_by_hand() -> None:
    """Two candidates: "red" is in one of them, "the" in both; weights log(3 / 2) + 1 and log(3 / 3) + 1."""
    found = tf_idf(["red the"], ["the red red", "the cat"])
    rare, common = math.log(3 / 2) + 1, 1.0
    twice = (1 + math.log(2)) * rare
    expected = (rare * twice + common**2) / (math.hypot(rare, common) * math.hypot(twice, common))
    assert found[0, 0] == pytest.approx(expected)
    assert found[0, 1] == pytest.approx(common**2 / (math.hypot(rare, common) * math.hypot(rare, common)))
    assert cosines(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]])).tolist() == [[0.0]]


def test_passages_are_cut_in_the_middle() -> None:
    text = " ".join(str(i) for i in range(200))
    assert halves(text)[1] == (" ".join(map(str, range(80, 120))), " ".join(map(str, range(120, 160))))
    assert len(halves(text)) == 2


@pytest.mark.parametrize("wrong", [0, 1])
def test_who_knows_finds_all_and_who_is_one_off_finds_none_first(wrong: int) -> None:
    task = "retrieve/caption-emoji"
    assert task_about(task) == "caption/emoji"
    result = run_task(Knowing("caption/emoji", wrong), task, Settings())  # ty: ignore[invalid-argument-type]
    pictures = held_out_pictures("caption/emoji")
    assert result.references == {"chance": 10 / len(pictures), **baselines(task, "caption/emoji")}
    assert result.figures["recall at 1 of text"].value == (1.0 if not wrong else 0.0)
    assert result.figures["recall at 1 by text"].value == (1.0 if not wrong else 0.0)
    assert result.score.value >= (1.0 if not wrong else 0.0)
    assert result.num_samples == len({picture.caption for picture in pictures})


def test_an_agent_is_measured_twice_alike_and_text_has_its_own_baseline() -> None:
    agent = dataclasses.replace(vector_config(window=64), contrast=contrast.Config(size=8), context=128).build().eval()
    settings = Settings(documents=12, data=Path("nowhere"))
    for task in ("retrieve/caption-openclipart", "retrieve/text-austen"):
        assert task in evaluator_of(task).tasks("retrieve")
        assert evaluator_of(task).unfit(task, settings) is None
        first, again = (run_task(agent, task, settings) for _ in range(2))
        assert first == again
        assert first.references["chance"] == pytest.approx(10 / 12)
    assert first.references["TF-IDF"] >= first.references["chance"], "neighbours share words"
    assert "opengato import twemoji" in (evaluator_of(task).unfit("retrieve/caption-twemoji", settings) or "")
