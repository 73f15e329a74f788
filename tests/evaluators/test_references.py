"""Every row of an evaluation of corpora has a trivial and a simple method beside it."""

from __future__ import annotations

import pytest

from opengato.evaluators import evaluator_of, evaluators_by_family
from opengato.evaluators.imported import baselines, source_of

UNMEASURED = ("draw/composed",)  # films are not drawn
FAMILIES = ("anomaly", "caption", "chat", "draw", "emotion", "label", "retrieve", "sentiment", "sound", "speech")
FAMILIES += ("topic", "translate", "video", "vqa")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_task_has_the_baselines_of_its_corpus(family: str) -> None:
    """But for prose, whose simple methods the evaluators apply themselves."""
    evaluator = evaluators_by_family()[family]
    without: dict[str, list[str]] = {}
    for task in evaluator.tasks(family):
        about = evaluator.about(task)
        if task not in UNMEASURED and not about.startswith("text/") and not baselines(task, about):
            without.setdefault(source_of(about), []).append(task)
    assert not without, f"measure them: python benchmarks/_baselines.py {' '.join(without)}"


def test_what_is_asked_about_belongs_to_a_corpus() -> None:
    for family, task in (
        ("draw", "draw/emoji"),
        ("retrieve", "retrieve/caption-emoji"),
        ("anomaly", "anomaly/video-clips"),
    ):
        assert source_of(evaluator_of(task).about(task)) in ("emoji", "clips")
        assert task in evaluator_of(task).tasks(family)
