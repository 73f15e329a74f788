"""MAML and Reptile against what their equations give by hand, and their special cases.

Letters: D weights, N points.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from opengato.backbones import decoder, encoder
from opengato.core.batch import PackedBatch
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.nn.meta import adapted, as_function, fresh, towards
from opengato.objectives import next_token
from opengato.objectives.meta import maml, reptile, tasks_of
from tests.tiny import caption_episode, tiny_agent, toy_episode

ROWS = 4


def batch_of(agent: Any) -> PackedBatch:
    """Two tasks, four rows each."""
    episodes = [toy_episode(seed, steps=2) for seed in range(ROWS)] + [caption_episode(seed) for seed in range(ROWS)]
    documents = [
        Document(sequence=agent.serializer.episode(episode), source=0, episode=i, task=i // ROWS)
        for i, episode in enumerate(episodes)
    ]
    return pack_documents(documents, max(map(len, documents)))


def begun(config: Any, agent: Any) -> Any:
    objective = config.build()
    assert objective.begin(agent) is None
    return objective


def gradients(agent: Any, loss: Tensor) -> dict[str, Tensor]:
    agent.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in agent.named_parameters() if p.grad is not None}


# The steps themselves, where everything is known: L(w) = |X w - y|^2 / N, with Hessian H = 2 X^T X / N


def lines(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.standard_normal((5, 3)), generator.standard_normal(5)


def error(weights: Any, points: Any) -> Tensor:
    x_ND, y_N = map(torch.from_numpy, points)
    return (x_ND @ weights["w"] - y_N).square().mean()


def slope(w: np.ndarray, points: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    x, y = points
    return 2 * x.T @ (x @ w - y) / len(y)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_gradient_after_the_steps_is_the_product_with_every_hessian(steps: int) -> None:
    w, support, asked, rate = np.array([0.3, -1.0, 2.0]), lines(0), lines(1), 0.05
    weights = {"w": torch.from_numpy(w.copy()).requires_grad_(True)}
    reached, along = w, np.eye(3)
    for _ in range(steps):
        along = (np.eye(3) - rate * 2 * support[0].T @ support[0] / 5) @ along
        reached = reached - rate * slope(reached, support)
    for second_order, by_hand in ((True, along.T @ slope(reached, asked)), (False, slope(reached, asked))):
        found = adapted(error, weights, [support] * steps, rate, second_order=second_order)
        np.testing.assert_allclose(found["w"].detach().numpy(), reached, rtol=1e-12)
        [gradient] = torch.autograd.grad(error(found, asked), [weights["w"]])
        np.testing.assert_allclose(gradient.numpy(), by_hand, rtol=1e-10)


def test_towards_is_reptiles_step() -> None:
    w, rate, epsilon = np.array([0.3, -1.0, 2.0]), 0.05, 0.25
    weights = {"w": torch.from_numpy(w.copy()).requires_grad_(True)}
    reached, by_hand = [], []
    for task in range(2):
        data, own = [lines(10 * task + step) for step in range(3)], w
        for points in data:
            own = own - rate * slope(own, points)
        by_hand.append(own)
        reached.append(adapted(error, fresh(weights), data, rate, second_order=False))
    towards(weights, reached).backward()
    assert weights["w"].grad is not None
    stepped = w - epsilon * weights["w"].grad.numpy()
    np.testing.assert_allclose(stepped, w + epsilon * (np.mean(by_hand, 0) - w), rtol=1e-12)


# Over an agent


def test_without_steps_maml_is_plain_training() -> None:
    agent = tiny_agent()
    batch, plain = batch_of(agent), next_token.Config().build()
    loss, _ = begun(maml.Config(steps=0, rows=ROWS), agent)(agent, batch)
    asked = [part.split(2)[1] for part in batch.split(2)]
    by_hand = torch.stack([plain(agent, part)[0] for part in asked]).mean()
    assert torch.equal(loss, by_hand)
    theirs = gradients(agent, by_hand)
    for name, gradient in gradients(agent, loss).items():
        assert torch.equal(gradient, theirs[name]), name


def test_with_one_step_reptile_is_plain_training() -> None:
    agent = tiny_agent()
    batch, plain = batch_of(agent), next_token.Config().build()
    loss, _ = begun(reptile.Config(steps=1, rows=ROWS, rate=0.1), agent)(agent, batch)
    mine = gradients(agent, loss)
    by_hand = torch.stack([plain(agent, part)[0] for part in batch.split(2)]).mean()
    assert float(loss.detach()) == pytest.approx(float(by_hand.detach()))
    for name, gradient in gradients(agent, by_hand).items():
        torch.testing.assert_close(mine[name], gradient, rtol=2e-3, atol=2e-5, msg=name)


TRUNKS = {
    "decoder": decoder.Config(width=32, depth=2, heads=4, hidden=48, window=48, sinks=8),
    "another": decoder.Config(width=32, depth=1, heads=2, hidden=48, activation="gelu", gated=False, norm_bias=True),
}


@pytest.mark.parametrize("trunk", sorted(TRUNKS))
@pytest.mark.parametrize("second_order", [True, False])
def test_its_gradient_is_that_of_the_loss_after_the_steps(second_order: bool, trunk: str) -> None:
    """By hand: weights put into a copy, stepped there; second order by differences of that loss along a direction."""
    agent = tiny_agent(backbone=TRUNKS[trunk])
    batch, rate = batch_of(agent), 0.05
    config = maml.Config(steps=1, rows=ROWS, rate=rate, second_order=second_order)
    loss, figures = begun(config, agent)(agent, batch)
    mine = gradients(agent, loss)
    plain, parameters = next_token.Config().build(), dict(agent.named_parameters())
    before = {name: p.detach().clone() for name, p in parameters.items()}

    def put(weights: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(weights[name])

    def after_steps(weights: dict[str, Tensor]) -> tuple[float, dict[str, Tensor]]:
        total, sums = 0.0, {name: torch.zeros_like(w) for name, w in weights.items()}
        for part in batch.split(2):
            learnt, asked = part.split(2)
            put(weights)
            down = gradients(agent, plain(agent, learnt)[0])
            put({name: w - rate * down.get(name, torch.zeros_like(w)) for name, w in weights.items()})
            value = plain(agent, asked)[0]
            total += float(value.detach()) / 2
            for name, gradient in gradients(agent, value).items():
                sums[name] += gradient / 2
        put(before)
        return total, sums

    value, at_reached = after_steps(before)
    assert float(loss.detach()) == pytest.approx(value, rel=1e-5)
    assert figures["loss/adapted"] == pytest.approx(value, rel=1e-5)
    if not second_order:
        for name, gradient in mine.items():
            torch.testing.assert_close(gradient, at_reached[name], rtol=1e-3, atol=1e-5, msg=name)
        return
    norm = sum(float(g.square().sum()) for g in mine.values()) ** 0.5
    ends = [
        after_steps({n: w + size * mine.get(n, torch.zeros_like(w)) / norm for n, w in before.items()})[0]
        for size in (3e-4, -3e-4)
    ]
    assert (ends[0] - ends[1]) / 6e-4 == pytest.approx(norm, rel=0.01)
    there = sum(float((at_reached[n] * g).sum()) for n, g in mine.items()) / norm
    assert abs(there - norm) > 1e-3 * norm, "the second order is worth something here"


def test_it_works_over_a_trunk_that_sees_both_ways() -> None:
    agent = tiny_agent(backbone=encoder.Config(width=32, depth=2, heads=4, hidden=48))
    loss, weights = as_function(agent, Sums(), second_order=True)
    batch = batch_of(agent)
    reached = adapted(loss, weights, [batch], 1e-3)
    found = torch.autograd.grad(loss(reached, batch), list(weights.values()), allow_unused=True)
    assert any(gradient is not None and gradient.any() for gradient in found)


class Sums(next_token.NextToken):
    """A loss that needs no head."""

    def __init__(self) -> None:
        super().__init__(next_token.Config())

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        return agent(batch).sin().square().mean(), {}


def test_tasks_that_are_not_whole_or_not_alone_are_refused() -> None:
    agent = tiny_agent()
    batch = batch_of(agent)
    numbers = [part.task_BT for part in tasks_of(batch, ROWS)]
    assert [set(number.flatten().tolist()) - {-1} for number in numbers if number is not None] == [{0}, {1}]
    with pytest.raises(ValueError, match="does not hold whole tasks"):
        list(tasks_of(batch, 3))
    with pytest.raises(ValueError, match="holds several tasks"):
        list(tasks_of(batch, 8))
    with pytest.raises(ValueError, match="at least 2 rows"):
        maml.Config(rows=1)
    with pytest.raises(ValueError, match="nowhere to go"):
        reptile.Config(steps=0)


def test_settings_survive_a_change() -> None:
    assert replace(maml.Config(), steps=5).build().config.steps == 5
