"""The made-up data of `benchmarks/waiting.py`: a batch for every kind of source, and what counts as waiting."""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opengato import recipes
from opengato.data.loader import LoaderConfig
from opengato.data.mixture import Mixture
from opengato.data.packing import collate, pack
from opengato.recipes import fusion, generalist
from opengato.train.run import Recipe, mixture_config, with_statistics, with_tasks
from tests.test_benchmarks import script

KINDS = ("babyai", "atari", "austen", "imdb", "emoji", "asterisk", "motion")  # one of each kind of the generalist


def of_each_kind() -> Recipe:
    """The generalist on a source of each kind."""
    whole = generalist.recipe()
    return dataclasses.replace(
        whole,
        weights=dict.fromkeys(KINDS, 1.0),
        task_weights={},
        rules={name: whole.rules[name] for name in KINDS},
    )


@pytest.mark.parametrize("name", ["generalist", "decision-tiny"])
def test_a_batch_holds_every_source(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "generalist":
        pytest.importorskip("av")
    recipe = of_each_kind() if name == "generalist" else recipes.load(name)
    made = script("_made_up", monkeypatch).made_up(recipe, tmp_path, 8)
    assert made.train == recipe.train
    assert made.rules == recipe.rules
    made = dataclasses.replace(with_tasks(with_statistics(made, tmp_path), tmp_path), rows_per_group=2)
    mixture = Mixture(mixture_config(made, tmp_path), made.train.agent.serializer())
    found: set[int] = set()
    for group in range(8):
        batch = collate([pack(mixture.group(group), mixture.config.length)])
        assert batch.source_BT is not None
        found |= set(batch.source_BT.unique().tolist()) - {-1}
    assert found == set(range(len(recipe.used)))


def test_every_recipe_is_measured_or_named_as_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = script("waiting", monkeypatch)
    names = "tiny,vatt,fusion-late,gato-79m,palm-540b"
    chosen, large = waiting.choice(argparse.Namespace(quick=False, recipes=names))
    assert [recipe.name for recipe in chosen] == ["tiny", "vatt", "fusion-late"]
    assert large == ["gato-79m", "palm-540b"]
    late = fusion.agent("late")
    assert waiting.parameters(chosen[2]) == late.build().num_parameters


@pytest.mark.parametrize(("making", "expected"), [(0.0, 0.0), (0.05, 0.5)])
def test_only_waiting_counts_as_waiting(making: float, expected: float, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = script("waiting", monkeypatch)

    class SlowLoader:
        """As long for each batch as it is told, in the way of the one that asks."""

        def __init__(self, *_: Any) -> None: ...

        def __enter__(self) -> SlowLoader:
            return self

        def __exit__(self, *_: object) -> None: ...

        def batches(self) -> Any:
            while True:
                time.sleep(making)
                yield None

    monkeypatch.setattr(waiting, "Loader", SlowLoader)
    recipe = SimpleNamespace(name="any", loader=LoaderConfig(workers=1, prefetch=1))
    options = argparse.Namespace(steps=2, rounds=3)
    rate, share = waiting.with_loader(recipe, None, lambda _: time.sleep(0.1), options)
    assert share == pytest.approx(expected, abs=0.2)
    assert len(rate.rounds) == 3
    assert max(rate.rounds) <= 60 / (0.1 + making)
