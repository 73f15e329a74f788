"""The recipes of the paper's sizes against the numbers of the paper."""

from __future__ import annotations

from pathlib import Path

import pytest

from opengato import recipes
from opengato.envs import find_task
from opengato.recipes import gato_table
from opengato.recipes.gato import HELD_OUT
from opengato.train.memory import on_meta

# Of the trunk and the tables of ids and places, in millions, computed in tests/recipes/test_gato_sizes.py by hand.
SIZES = {"gato-79m": 72.6, "gato-364m": 333.9, "gato-1b": 1074.5}


@pytest.mark.parametrize("name", SIZES)
def test_a_size_is_a_recipe_of_the_paper(name: str) -> None:
    recipe = recipes.load(name)
    train = recipe.train
    assert recipe.name == name
    assert (recipe.rows, train.agent.context, train.steps) == (512, 1024, 1_000_000)
    assert train.accumulate * 8 == recipe.rows, "8 rows at once"
    rules = recipe.rules
    assert (rules["babyai"].prompt, rules["babyai"].min_return, rules["emoji"].pairs) == (0.25, 0.8, 5)
    millions = on_meta(train.agent).num_parameters / 1e6
    # Beyond trunk and ids: 513 places within a step and two tables of 128, a separator, and the block for patches.
    assert 0 < millions - SIZES[name] < 0.02 * SIZES[name]


def test_what_is_held_out_is_not_collected() -> None:
    collected = {job.task for jobs in recipes.load("gato-79m").collect.values() for job in jobs}
    assert collected.isdisjoint(HELD_OUT)
    assert len(collected) > 100
    assert all(find_task(task).expert for task in collected)


def test_weights_are_those_of_table_1() -> None:
    weights = recipes.load("gato-79m").weights
    stands = [row for row in gato_table.ROWS if row.status != "missing"]
    assert set(weights) == {source for row in stands for source in row.here}
    assert sum(weights.values()) == pytest.approx(sum(row.weight for row in stands))
    assert weights["babyai"] / weights["metaworld"] == pytest.approx(9.06 / 8.96)


def test_the_sizes_share_what_they_collect() -> None:
    folders = {recipes.load(name).folder("babyai", Path("data")) for name in SIZES}
    assert folders == {Path("data/gato/babyai")}
