"""The map of tasks and the attention over pictures: their arithmetic by other means, and what is drawn.

Letters: N episodes, T positions, D width, K components, H heads, Q words, R rows and C columns of patches.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opengato.agent.inside import attention
from opengato.core.episode import Episode, document
from opengato.evaluators import attention_map, embedding_map
from opengato.evaluators.embedding_map import Config, default_tasks, episodes_of, neighbour_shares, piece
from tests.tiny import PATCH, caption_episode, png, serializer, tiny_agent, toy_episode


def points(count: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, width)) * np.arange(1, width + 1)


# The map


def test_principal_components_are_the_eigenvectors_of_the_covariance() -> None:
    x_ND = points(40, 6) + 100
    received = embedding_map.principal_components(x_ND, 3)
    values, vectors = np.linalg.eigh(np.cov(x_ND.T))
    expected = (x_ND - x_ND.mean(0)) @ vectors[:, ::-1][:, :3]
    np.testing.assert_allclose(np.abs(received), np.abs(expected), atol=1e-9)
    np.testing.assert_allclose(received.var(0, ddof=1), values[::-1][:3])
    assert embedding_map.principal_components(x_ND[:4], 50).shape[1] <= 6


def test_shares_of_neighbours_by_hand() -> None:
    x_NK = np.array([[0.0, 0], [0, 1], [5, 0], [5, 2], [0, 1.5], [9, 9]])
    tasks = ["a/1", "a/1", "a/2", "b/1", "b/1", "b/1"]
    # Nearest: 0 -> 1, 1 -> 4, 2 -> 3, 3 -> 2, 4 -> 1, 5 -> 3.
    shares = neighbour_shares(x_NK, tasks)
    assert shares["same task"] == pytest.approx(2 / 6)
    assert shares["same family"] == pytest.approx(2 / 6)
    assert shares["same task by chance"] == pytest.approx((1 + 1 + 0 + 2 + 2 + 2) / 6 / 5)
    assert shares["same family by chance"] == pytest.approx(2 / 5)


def test_a_piece_is_the_instruction_and_a_stretch_from_anywhere() -> None:
    sequence = serializer("tokens").episode(toy_episode(steps=12))
    prompt, rng = sequence.prompt_length, np.random.default_rng(0)
    starts = set()
    for _ in range(600):
        part = piece(sequence, prompt + 30, rng)
        assert len(part) == prompt + 30
        places = part.position_T.tolist()
        assert places[:prompt] == list(range(prompt))
        assert places[prompt:] == list(range(places[prompt], places[prompt] + 30))
        starts.add(places[prompt])
    assert min(starts) == prompt
    assert max(starts) == len(sequence) - 30
    assert piece(sequence, len(sequence), rng) is sequence


def test_vectors_are_means_over_the_steps_and_not_over_the_instruction() -> None:
    agent = tiny_agent()
    episodes = [toy_episode(seed, steps=2) for seed in range(3)]
    received = embedding_map.episode_vectors(agent, episodes, 2, 500, np.random.default_rng(0))
    for episode, vector_D in zip(episodes, received, strict=True):
        sequence = agent.serializer.episode(episode)
        (h_TD,) = embedding_map.hidden_states(agent, [sequence], 2)
        np.testing.assert_allclose(vector_D, h_TD[sequence.prompt_length :].mean(0), rtol=1e-4, atol=1e-5)


def test_a_map_tells_apart_what_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")

    def made(task: str, count: int, seed: int) -> list[Episode]:
        if task == "toy/act":
            return [toy_episode(i, steps=3) for i in range(count)]
        return [document("prose/write", f"{i} upon a time there was nothing {i}") for i in range(count)]

    monkeypatch.setattr(embedding_map, "episodes_of", made)
    found = embedding_map.embedding_map(tiny_agent(), ["toy/act", "prose/write"], Config(episodes=12, length=20))
    assert found.layer == 1, "the middle one of two"
    assert found.neighbours["same task"] == 1.0
    by_task = {
        task: np.array([p for p, t in zip(found.points, found.tasks, strict=True) if t == task]) for task in found.tasks
    }
    centres = [by_task[task].mean(0) for task in ("toy/act", "prose/write")]
    for mine, (near, far) in zip(by_task.values(), (centres, centres[::-1]), strict=True):
        assert (np.linalg.norm(mine - near, axis=1) < np.linalg.norm(mine - far, axis=1)).all()
    with Image.open(found.plot(tmp_path / "deep" / "map.png")) as picture:
        assert picture.size[0] > 600
    (axes,) = embedding_map.map_figure(found).axes
    assert [len(np.asarray(layer.get_offsets())) for layer in axes.collections] == [12, 12]
    body = json.loads(found.to_json(tmp_path / "map.json").read_text())
    assert [point["task"] for point in body["points"]] == list(found.tasks)
    assert body["config"]["components"] == 50
    again = embedding_map.embedding_map(tiny_agent(), ["toy/act", "prose/write"], Config(episodes=12, length=20))
    assert again == found
    with pytest.raises(ValueError, match="received layer 0, expected one from 1 to 2"):
        embedding_map.embedding_map(tiny_agent(), ["toy/act"], Config(layer=0))
    with pytest.raises(ValueError, match="received 2 episodes of 2 tasks, expected at least 8"):
        embedding_map.embedding_map(tiny_agent(), ["toy/act", "prose/write"], Config(episodes=1))


def test_episodes_come_from_experts_and_from_what_was_held_out() -> None:
    pytest.importorskip("minigrid")
    played = episodes_of("babyai/GoToObjS4", 3, seed=5)
    assert [episode.provenance["seed"] for episode in played] == [5, 6, 7]
    assert all(episode.success for episode in played)
    pictures = episodes_of("caption/emoji", 2, seed=0)
    assert [episode.task for episode in pictures] == ["caption/emoji"] * 2
    texts = [str(episode.actions["text"][0]) for episode in episodes_of("text/austen", 3, seed=0)]
    assert len(set(texts)) == 3
    assert {len(text) for text in texts} == {embedding_map.CHARACTERS}


def test_default_tasks_are_spread_over_what_was_trained_on() -> None:
    trained = [*(f"babyai/{i}" for i in range(9)), "text/austen", "text/shakespeare", "caption/emoji"]
    assert default_tasks(trained, 3) == ["babyai/0", "babyai/4", "babyai/8", "text/austen", "caption/emoji"]
    assert default_tasks(["babyai/a"], 4) == ["babyai/a"]


# Attention


def test_attention_over_a_picture_is_that_of_its_patches(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    agent, caption = tiny_agent(), "red panda"
    pixels = np.random.default_rng(0).integers(0, 256, (2 * PATCH, 3 * PATCH, 3)).astype(np.uint8)
    found = attention_map.attention_map(agent, png(pixels), "describe it", layer=2, words=9, caption=caption)
    assert "".join(found.words) == "red panda(end)"
    np.testing.assert_array_equal(found.picture, pixels)
    sequence = agent.serializer.episode(document("caption/x", caption, image=png(pixels), instruction="describe it"))
    weight_HTT = attention(agent, sequence, 2)
    first = sequence.prompt_length  # the picture follows the instruction: its patches lie row by row
    queries = np.flatnonzero(sequence.predict_T) - 1
    assert found.weight_QHRC.shape == (len(queries), 4, 2, 3)
    for q, query in enumerate(queries):
        for row in range(2):
            for column in range(3):
                expected = weight_HTT[:, query, first + 3 * row + column]
                np.testing.assert_array_equal(found.weight_QHRC[q, :, row, column], expected)
    assert (found.weight_QHRC.sum((2, 3)) < 1).all()
    panels = attention_map.attention_figure(found).axes
    assert len(panels) == 4 * (1 + len(queries))
    assert sorted(len(axes.images) for axes in panels) == [1] * 4 + [2] * 4 * len(queries)
    with Image.open(found.plot(tmp_path / "deep" / "look.png")) as picture:
        assert picture.size[0] > 300
    body = json.loads(found.to_json(tmp_path / "look.json").read_text())
    assert np.shape(body["weights"]) == found.weight_QHRC.shape


def test_what_is_looked_at_is_what_the_agent_would_write() -> None:
    agent = tiny_agent()
    picture = caption_episode().observations["image"][0]
    written = agent.generate([picture, "describe the picture"], max_new_tokens=3)
    found = attention_map.attention_map(agent, picture, "describe the picture", words=3)
    assert written.startswith("".join(found.words)) or "".join(found.words).startswith(written)
