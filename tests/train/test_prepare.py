"""Statistics are those of the data, and a recipe names what it lacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from opengato import recipes
from opengato.core.config import override
from opengato.core.episode import ArraySpec, Episode
from opengato.data.mixture import Mixture
from opengato.data.store import StoreWriter
from opengato.train import run
from opengato.train.prepare import fit_statistics
from opengato.train.run import with_statistics
from tests.tiny import caption_episode, toy_episode


def arm(values: np.ndarray, name: str = "arm/state") -> Episode:
    """An episode that observes `values` (S, n)."""
    episode = toy_episode(steps=len(values))
    spec = ArraySpec(name=name, kind="continuous", shape=values.shape[1:])
    return replace(episode, observation_specs={"state": spec}, observations={"state": values.astype(np.float32)})


def write(folder: Path, episodes: list[Episode]) -> Path:
    with StoreWriter(folder) as writer:
        writer.append(episodes)
    return folder


def test_statistics_are_mean_and_deviation_by_name(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    arms = [generator.standard_normal((int(n), 3)) * [1, 5, 0.001] + [0, 2, 7] for n in (3, 10, 6)]
    legs = [generator.standard_normal((4, 2)) * 1e-7]
    still = [np.full((4, 2), 3.0)]
    episodes = [arm(a) for a in arms] + [arm(a, "leg/state") for a in legs] + [arm(a, "rock/state") for a in still]
    received = fit_statistics([write(tmp_path / "store", episodes)])
    assert set(received) == {"arm/state", "leg/state", "rock/state"}
    everything = np.concatenate(arms)
    std = everything.std(0)
    assert received["arm/state"]["mean"] == pytest.approx(everything.mean(0).tolist(), rel=1e-4)
    assert received["arm/state"]["std"] == pytest.approx([std[0], std[1], 0.01 * std[1]], rel=1e-4), "hardly moves"
    assert received["leg/state"]["std"] == pytest.approx(legs[0].std(0).tolist(), rel=1e-3), "small units survive"
    assert received["rock/state"] == {"mean": [3.0, 3.0], "std": [1.0, 1.0]}, "nothing is divided by zero"


def test_statistics_of_stores_are_of_all_their_episodes(tmp_path: Path) -> None:
    parts = [np.random.default_rng(n).standard_normal((n, 2)) for n in (3, 8)]
    folders = [write(tmp_path / str(len(part)), [arm(part)]) for part in parts]
    received = fit_statistics(folders)["arm/state"]
    assert received["mean"] == pytest.approx(np.concatenate(parts).mean(0).tolist(), rel=1e-4)
    other = write(tmp_path / "other", [arm(np.ones((2, 5)))])
    with pytest.raises(ValueError, match=r"named 'arm/state' hold \[2, 5\] numbers"):
        fit_statistics([*folders, other])


def test_a_recipe_gets_statistics_once(tmp_path: Path) -> None:
    recipe = recipes.load("tiny")
    [name] = [name for name, modality in recipe.train.agent.modalities.items() if hasattr(modality, "statistics")]
    collect = {"metaworld": recipe.collect["metaworld"]}
    recipe = replace(recipe, collect=collect, weights={"metaworld": 1.0}, imports=(), tasks={})
    write(recipe.folder("metaworld", tmp_path), [arm(np.random.default_rng(0).standard_normal((20, 3)))])
    fitted = with_statistics(recipe, tmp_path)
    assert set(fitted.train.agent.modalities[name].statistics) == {"arm/state"}
    write(recipe.folder("metaworld", tmp_path), [arm(np.full((20, 3), 100.0))])
    assert with_statistics(fitted, tmp_path) is fitted, "statistics that a recipe brings are kept"


def test_a_source_of_weight_0_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither brought nor measured nor mixed: so agents are made that lack a domain."""
    recipe = replace(recipes.load("tiny"), tasks={})
    kept = {name: weight for name, weight in recipe.weights.items() if name not in ("metaworld", "emoji")}
    less = override(recipe, ["weights.metaworld=0", "weights.emoji=0"])
    collected, imported = [], []
    monkeypatch.setattr(run, "collect_store", lambda jobs, folder, workers: collected.append(folder.name))
    monkeypatch.setattr(run, "import_stores", lambda names, folder: imported.extend(names))
    run.prepare(less, tmp_path)
    assert (collected, imported) == (["babyai"], ["austen", "shakespeare", "openclipart", "twemoji"])
    for name in kept:
        write(less.folder(name, tmp_path), [arm(np.ones((3, 2)), f"{name}/state")])
    fitted = with_statistics(less, tmp_path)
    (statistics,) = [m.statistics for m in fitted.train.agent.modalities.values() if hasattr(m, "statistics")]
    assert set(statistics) == {"babyai/state"}
    assert {name: s.weight for name, s in run.mixture_config(less, tmp_path).sources.items()} == kept
    card = run.make_card(less, tmp_path, list(kept))
    assert sum(about["share"] for about in card["data"].values()) == pytest.approx(1.0)


def test_a_source_without_data_is_named() -> None:
    recipe = recipes.load("tiny")
    with pytest.raises(ValueError, match="unknown source in `weights` 'babyay'; did you mean 'babyai'"):
        replace(recipe, weights={**recipe.weights, "babyay": 0.1})


def test_a_corpus_of_several_tasks_gives_those_that_are_asked_for(tmp_path: Path) -> None:
    """In the mixture and in the card."""
    recipe = replace(recipes.load("tiny"), weights={"emoji": 1.0}, tasks={"emoji": ("caption/*",)})
    tasks = ("caption/emoji", "label/emoji", "caption/emoji-zh")
    write(recipe.folder("emoji", tmp_path), [replace(caption_episode(i), task=task) for i, task in enumerate(tasks)])
    config = run.mixture_config(recipe, tmp_path)
    (line,) = Mixture(config, recipe.train.agent.serializer()).describe()
    assert (line["tasks"], line["episodes"]) == (2, 2)
    assert run.make_card(recipe, tmp_path, ["emoji"])["tasks"] == ["caption/emoji", "caption/emoji-zh"]
    with pytest.raises(ValueError, match="unknown source in `tasks` 'emojy'; did you mean 'emoji'"):
        replace(recipe, tasks={"emojy": ("caption/*",)})
