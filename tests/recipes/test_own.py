"""A recipe in the shape of a store: every episode of it can be read, whatever it holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from opengato import recipes
from opengato.data.mixture import Mixture
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.train.run import mixture_config, prepare, with_statistics
from tests.tiny import caption_episode, toy_episode


def test_a_store_of_every_kind_can_be_trained_on(tmp_path: Path) -> None:
    store = tmp_path / "mine"
    with StoreWriter(store) as writer:
        writer.append([toy_episode(seed) for seed in range(3)])
    recipe = recipes.load(str(store))
    prepare(recipe, tmp_path / "nowhere")
    assert len(EpisodeStore(store)) == 3, "what lies there is never collected anew"
    recipe = with_statistics(recipe, tmp_path / "nowhere")
    agent = recipe.train.agent
    assert agent.modalities["state"].statistics.keys() == {"toy/joint", "toy/arm"}
    assert {route: agent.routes[route] for route in agent.routes if route.startswith("action")} == {
        "action/continuous": "motion",
        "action/discrete": "choice",
    }
    assert agent.modalities["choice"].num_values == 5
    assert (agent.modalities["cells"].cells, agent.modalities["cells"].channels) == (2, 2)
    rows = Mixture(mixture_config(recipe, tmp_path), agent.serializer()).group(0)
    (episode, *_) = EpisodeStore(store)
    serializer = agent.serializer()
    longest = max(len(document) for row in rows for document in row)
    assert longest <= agent.context
    sequence = serializer.episode(episode)
    assert sequence.local_T.max() < agent.num_local


def test_large_counts_are_ids_and_documents_are_text(tmp_path: Path) -> None:
    episode = toy_episode(0)
    views = {"view": replace(episode.observation_specs["view"], num_values=700)}
    wide = replace(episode, observation_specs={**episode.observation_specs, **views})
    with StoreWriter(tmp_path / "a") as writer:
        writer.append([wide, caption_episode(1)])
    agent = recipes.load(str(tmp_path / "a")).train.agent
    assert agent.routes["observation/discrete"] == "ids"
    assert agent.modalities["ids"].num_values == 700
    assert agent.routes["action/text"] == "text"
    for one in EpisodeStore(tmp_path / "a"):
        assert len(agent.serializer().episode(one))


def test_an_empty_store_is_told(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "a"):
        pass
    with pytest.raises(ValueError, match="holds no episodes yet"):
        recipes.load(str(tmp_path / "a"))
