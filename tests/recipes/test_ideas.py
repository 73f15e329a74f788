"""The ideas are variants of `tiny`: what they share with it, and what sets them apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from opengato import recipes
from opengato.core.config import override
from opengato.recipes import ideas, tiny
from opengato.train.memory import on_meta
from opengato.train.run import check_rows, mixture_config

NAMES = ("decision-tiny", "parallel-tiny", "balanced-tiny", "maml-tiny", "reptile-tiny")


@pytest.mark.parametrize("name", NAMES)
def test_it_reads_the_data_of_tiny_with_the_trunk_of_tiny(name: str) -> None:
    mine, base = recipes.load(name), tiny.recipe()
    assert mine.name == name
    assert mine.train.agent.backbone == base.train.agent.backbone
    assert mine.train.steps == base.train.steps
    assert mine.rows == base.rows, "as many positions a step"
    for source in mine.used:
        assert mine.folder(source, Path("data")) == base.folder(source, Path("data"))
    check_rows(mine)
    assert on_meta(mine.train.agent).num_parameters >= on_meta(base.train.agent).num_parameters


def test_a_step_of_parallel_tiny_is_one_task() -> None:
    mine = recipes.load("parallel-tiny")
    assert mixture_config(mine, Path("data")).groups_per_task == mine.loader.groups


def test_what_is_adapted_to_was_never_seen() -> None:
    for name in ("maml-tiny", "reptile-tiny"):
        assert ideas.META_TEST not in recipes.load(name).used


def test_rows_that_mix_tasks_are_refused_for_learning_to_learn() -> None:
    for setting in ("groups_per_task=0", "rows_per_group=8"):
        with pytest.raises(ValueError, match="4 rows of each task"):
            check_rows(override(recipes.load("maml-tiny"), [setting]))
