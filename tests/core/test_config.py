"""Configs: to JSON and back, overrides by type, near names for wrong ones, nothing built from outside."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from opengato import recipes
from opengato.core import config
from opengato.core.config import choose, differences, from_json, override, plugin, plugins, renewed, to_json
from opengato.train import optim
from opengato.train.memory import on_meta
from opengato.train.run import Recipe


@pytest.mark.parametrize("name", recipes.names())
def test_a_whole_recipe_survives_json(name: str) -> None:
    recipe = recipes.load(name)
    text = json.dumps(to_json(recipe))
    again = from_json(json.loads(text))
    assert again == recipe
    assert type(again) is Recipe
    assert json.dumps(to_json(again)) == text
    on_meta(again.train.agent)  # some are larger than any machine
    assert json.loads(text)["train"]["agent"]["backbone"]["type"].startswith("backbones/")


def test_what_an_earlier_version_wrote_gains_the_younger_fields() -> None:
    whole = json.loads(json.dumps(to_json(recipes.load("tiny"))))
    earlier = json.loads(json.dumps(whole))
    del earlier["train"]["agent"]["private"], earlier["groups_per_task"]
    assert renewed(earlier) == whole
    earlier["train"]["steps"] += 1
    assert renewed(earlier) != whole


def test_an_unknown_recipe_suggests_the_near_one() -> None:
    with pytest.raises(ValueError, match="unknown recipe 'tinny'; did you mean 'tiny'"):
        recipes.load("tinny")
    assert "def recipe()" in recipes.source("tiny")


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 0.5
    steps: int = 3
    weights: dict[str, float] = field(default_factory=lambda: {"text": 1.0})


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    name: str = "x"
    on: bool = False
    betas: tuple[float, ...] = (0.9, 0.95)
    tasks: tuple[str, ...] = ()
    folder: Path = Path("runs")


def test_overrides_take_the_type_of_what_they_replace() -> None:
    assignments = [
        *("inner.rate=1e-4", "inner.steps=7", "inner.weights.text=2", "name=12", "on=true"),
        *("betas=0.8,0.99", "tasks=a/b,c/d", "folder=out/x"),
    ]
    old = Outer()
    new = override(old, assignments)
    expected = Outer(
        inner=Inner(rate=1e-4, steps=7, weights={"text": 2.0}),
        name="12",
        on=True,
        betas=(0.8, 0.99),
        tasks=("a/b", "c/d"),
        folder=Path("out/x"),
    )
    assert new == expected
    assert isinstance(new.inner.weights["text"], float)
    assert old == Outer(), "the original is untouched"
    assert override(old, ["on=0", "tasks="]) == old


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("inner.rte=1", "unknown setting in 'inner.rte': 'rte'; did you mean 'rate'"),
        ("iner.rate=1", "unknown setting in 'iner.rate': 'iner'; did you mean 'inner'"),
        ("inner.weights.txt=1", "did you mean 'text'"),
        ("inner.steps=1.5", "setting 'inner.steps': received '1.5', expected int like 3"),
        ("inner.rate=fast", "setting 'inner.rate': received 'fast', expected float like 0.5"),
        ("on=maybe", "setting 'on': received 'maybe', expected bool like False"),
        ("betas=0.9,x", "setting 'betas': received '0.9,x', expected tuple"),
        ("name.first=x", "setting 'name.first': str has no fields"),
        ("inner=3", "setting 'inner': received '3', expected Inner"),
        ("inner.rate", "must look like a.b=value"),
    ],
)
def test_a_wrong_override_says_what_was_expected(assignment: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        override(Outer(), [assignment])


def test_differences_name_each_place() -> None:
    first = {"a": 1, "b": {"c": [1, 2], "d": "x"}, "e": [1]}
    second = {"a": 1, "b": {"c": [1, 3], "d": "y"}, "e": [1, 2], "f": None}
    expected = ["b.c.1: 2 and 3", "b.d: x and y", "e: [1] and [1, 2]", "f: nothing and None"]
    assert differences(first, second) == expected
    assert differences(first, first) == []


def test_json_keeps_tuples_paths_and_numbers() -> None:
    made = optim.Config(betas=(0.8, 0.9), warmup=5)
    again = from_json(json.loads(json.dumps(to_json(made))))
    assert again == made
    assert isinstance(again.betas, tuple)
    assert to_json({"path": Path("a/b"), 1: (2, 3)}) == {"path": "a/b", "1": [2, 3]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"type": "os/path:join"}, "does not have"),
        ({"type": "core/config:Path"}, "which is not a config"),
        ({"type": "core/config:importlib"}, "which is not a config"),
        ({"type": "core/config:to_json"}, "which is not a config"),
        ({"type": "..:system"}, "does not have"),
        ({"type": "train/optim:Confg"}, "does not have"),
        ({"type": "train/optim:Config", "learning_rat": 1}, "did you mean 'learning_rate'"),
    ],
)
def test_only_configs_of_this_package_are_built(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_json(data)


def test_a_dataclass_of_another_package_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where a module of ours happens to import it."""
    monkeypatch.setattr(config, "Outer", Outer, raising=False)
    with pytest.raises(ValueError, match="which is not a config"):
        from_json({"type": "core/config:Outer"})


def test_plugins_are_folders_and_wrong_names_suggest_the_near_ones() -> None:
    assert {"text", "image", "discrete", "continuous"} <= set(plugins("modalities"))
    assert plugin("modalities", "continuous/tokens").__name__ == "opengato.modalities.continuous.tokens"
    with pytest.raises(ValueError, match="unknown modalities plug-in 'txt'; did you mean 'text'"):
        plugin("modalities", "txt")
    with pytest.raises(ValueError, match="unknown thing 'zzz'; choose one of: a, b"):
        choose("zzz", ["a", "b"], what="thing")
    assert choose("a", iter(["a"]), what="thing") == "a"
