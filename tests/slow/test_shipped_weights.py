"""The scores on the card of the shipped weights, measured again on other seeds: about twenty minutes."""

from __future__ import annotations

import pytest

import opengato
from opengato.evaluators.report import Report
from opengato.recipes.tiny_tasks import ONE_ROOM

SCORED_AGAIN = "babyai,metaworld,caption,text"


@pytest.fixture(scope="module")
def report() -> Report:
    # Other seeds than those of the card: a score must not hang on the episodes it was first measured on.
    return opengato.evaluate(opengato.load("tiny"), SCORED_AGAIN, episodes=20, seed=10_000, progress=False)


@pytest.fixture(scope="module")
def card() -> dict:
    return opengato.load("tiny").card["scored"]


@pytest.mark.timeout(3600)
def test_control_scores_agree_with_the_card(report: Report, card: dict):
    for family, aggregate in report.aggregates().items():
        low, high = card["aggregates"][family]["interval"]
        assert aggregate.mean.low <= high, f"{family}: {aggregate.mean} is above the card's [{low}, {high}]"
        assert aggregate.mean.high >= low, f"{family}: {aggregate.mean} is below the card's [{low}, {high}]"


def test_control_reaches_its_aims(report: Report):
    scores = {r.task: r.score.value for r in report.results}
    one_room = [scores[f"babyai/{name}"] for name in ONE_ROOM]
    babyai = [score for task, score in scores.items() if task.startswith("babyai/")]
    success = [r.figures["success"].value for r in report.results if r.family == "metaworld"]
    assert sum(one_room) / len(one_room) >= 0.90
    assert sum(babyai) / len(babyai) >= 0.75
    assert sum(success) / len(success) >= 0.70


def test_text_beats_xz_and_captions_beat_chance(report: Report):
    for result in report.results:
        if result.family == "text":
            assert result.score.value < result.references["xz -9e"]
        if result.family == "caption":
            assert result.score.value >= 3 * result.references["chance"]
