"""Data rules of a recipe: by source, by setting, and in the card of the agent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from opengato import recipes
from opengato.core.config import from_json, override, to_json
from opengato.core.returns import EXPERT_RETURNS
from opengato.data.rules import Rules
from opengato.data.store import StoreWriter
from opengato.train.run import Recipe, make_card, mixture_config
from tests.tiny import toy_episode


def write(folder: Path, returns: list[float]) -> None:
    with StoreWriter(folder) as writer:
        writer.append(replace(toy_episode(steps=1), rewards=np.array([value], np.float32)) for value in returns)


def small(**rules: Rules) -> Recipe:
    weights = {"babyai": 0.5, "metaworld": 0.5}
    return replace(recipes.load("tiny"), weights=weights, imports=(), tasks={}, task_weights={}, rules=rules)


def test_rules_reach_the_mixture(tmp_path: Path) -> None:
    recipe = small(babyai=Rules(prompt=0.25))
    sources = mixture_config(recipe, tmp_path).sources
    assert sources["babyai"].rules == Rules(prompt=0.25)
    assert sources["metaworld"].rules == Rules()
    changed = override(
        recipe, ["rules.metaworld.min_return=0.8", "rules.babyai.prompt=0", "rules.metaworld.returns=true"]
    )
    sources = mixture_config(changed, tmp_path).sources
    assert sources["metaworld"].rules == Rules(min_return=0.8, returns=True)
    assert sources["babyai"].rules == Rules()
    assert from_json(to_json(changed)) == changed
    plain = mixture_config(recipes.load("tiny"), tmp_path).sources.values()
    assert all(source.rules == Rules() for source in plain)


def test_rules_of_nothing_are_told() -> None:
    with pytest.raises(ValueError, match="unknown source in `rules` 'babyay'; did you mean 'babyai'"):
        small(babyay=Rules(prompt=0.25))


def test_the_card_keeps_rules_and_expert_returns(tmp_path: Path) -> None:
    recipe = small(metaworld=Rules(returns=True))
    write(recipe.folder("babyai", tmp_path), [9.0])
    write(recipe.folder("metaworld", tmp_path), [1.0, 3.0, 2.0])
    card = make_card(recipe, tmp_path, ["babyai", "metaworld"])
    assert card[EXPERT_RETURNS] == {"toy/task": 3.0}
    assert "rules" not in card["data"]["babyai"]
    assert from_json(card["data"]["metaworld"]["rules"]) == Rules(returns=True)
    assert EXPERT_RETURNS not in make_card(small(), tmp_path, ["babyai", "metaworld"])
    with pytest.raises(ValueError, match="two sources with `returns` hold 'toy/task', with expert returns 9 and 3"):
        make_card(small(babyai=Rules(returns=True), metaworld=Rules(returns=True)), tmp_path, ["babyai", "metaworld"])
