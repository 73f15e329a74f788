"""The recipes of the paper's sizes against the numbers of the paper."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from opengato import recipes
from opengato.envs import find_task
from opengato.recipes import gato, gato_table
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
    """Of what is cheap to collect; the rest has the weight that the recipe's own comment gives."""
    weights = recipes.load("gato-79m").weights
    rows: dict[str, float] = {}
    for row in gato_table.ROWS:
        sources = sorted({source.partition("/")[0] for source in row.here})
        key = ",".join(sources)
        rows[key] = rows.get(key, 0.0) + row.weight
    del rows[""]
    assert set(weights) == {source for key in rows for source in key.split(",")}
    source_of_weights = inspect.getsource(gato)
    for key, weight in rows.items():
        if sum(weights[source] for source in key.split(",")) == 0:
            assert f"weights.{key}={weight:g}" in source_of_weights
        else:
            assert sum(weights[source] for source in key.split(",")) == pytest.approx(weight)


def test_the_sizes_share_what_they_collect() -> None:
    folders = {recipes.load(name).folder("babyai", Path("data")) for name in SIZES}
    assert folders == {Path("data/gato/babyai")}
