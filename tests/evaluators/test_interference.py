"""Cosines of gradients against numpy, and what they must say of equal and of opposed tasks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from opengato.core.episode import Episode
from opengato.evaluators import interference
from opengato.evaluators.interference import Config, Interference, batch_of, gradient, mean_cosines
from opengato.objectives import next_token
from tests.tiny import caption_episode, tiny_agent, toy_episode


def test_cosines_of_halves_by_hand() -> None:
    """Two tasks: (1, 0) and (0, 2); (-3, 0) and (1, 1)."""
    found = mean_cosines(np.array([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [1.0, 1.0]]))
    root = 0.5**0.5
    between = (-1 + root + 0 + root) / 4
    np.testing.assert_allclose(found, [[0, between], [between, -root]], atol=1e-12)


def test_along_the_gradient_the_loss_rises_by_its_norm() -> None:
    agent = tiny_agent()
    batch = batch_of(agent, [toy_episode(0, steps=2), toy_episode(1, steps=1)], 0)
    found = torch.from_numpy(gradient(agent, batch))
    weights, losses = list(agent.backbone.parameters()), []
    before = torch.nn.utils.parameters_to_vector(weights).detach()
    with torch.no_grad():
        for size in (3e-3, -3e-3):
            torch.nn.utils.vector_to_parameters(before + size * found / found.norm(), weights)
            losses.append(float(next_token.Config().build()(agent, batch)[0]))
    assert (losses[0] - losses[1]) / 6e-3 == pytest.approx(float(found.norm()), rel=0.02)


def test_the_same_task_under_two_names_agrees_as_it_does_with_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def episodes(task: str, count: int, seed: int) -> list[Episode]:
        if task == "other":
            return [caption_episode(seed + i) for i in range(count)]
        return [replace(toy_episode(seed + i, steps=3), task=task) for i in range(count)]

    monkeypatch.setattr(interference, "episodes_of", episodes)
    found = interference.interference(tiny_agent(), ["one", "two", "other"], Config(episodes=4))
    cosine = np.array(found.cosines)
    np.testing.assert_allclose(cosine, cosine.T, atol=1e-6)
    assert cosine[0, 1] == pytest.approx((2 + 2 * cosine[0, 0]) / 4, abs=1e-5), "two of its four pairs are equal"
    assert cosine[0, 0] == pytest.approx(cosine[1, 1], abs=1e-6)
    assert cosine[0, 0] > cosine[0, 2], "captions are another matter than control"
    path = found.to_json(tmp_path / "found.json")
    assert json.loads(path.read_text())["tasks"] == ["one", "two", "other"]
    pytest.importorskip("matplotlib")
    assert found.plot(tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
    apart = [(one, other) for one, other, _ in found.opposed()]
    assert apart == sorted(apart, key=lambda pair: cosine[found.tasks.index(pair[0]), found.tasks.index(pair[1])])
    assert all(cosine[found.tasks.index(one), found.tasks.index(other)] < -0.05 for one, other in apart)


def test_what_pulls_apart_and_what_cannot_be_said() -> None:
    cosines = ((0.5, -0.3, 0.04), (-0.3, 0.2, -0.04), (0.04, -0.04, 0.01))
    found = Interference(tasks=("a", "b", "c"), cosines=cosines, config=Config())
    assert found.opposed() == [("b", "a", -0.3)]
    assert found.unsure() == ["c"]


def test_too_little_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 to compare"):
        interference.interference(tiny_agent(), ["babyai/GoToLocal"])
    with pytest.raises(ValueError, match="one for each half"):
        Config(episodes=1)
