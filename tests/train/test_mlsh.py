"""MLSH: who learns when, what each is told that it earned, and PPO by hand.

Letters: G tasks, E episodes, S steps, F features.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from opengato.train.mlsh import (
    Config,
    Masters,
    Played,
    SubPolicies,
    Worlds,
    advantages,
    draw,
    learn,
    learn_tasks,
    normal,
    play,
    ppo,
)

SIZE, FEATURES = (3, 4), 2


class Levers(Worlds):
    """Reward 1 for the lever that is the task's; what is seen is the number of the step."""

    steps = 6

    def __init__(self) -> None:
        self.right_G = torch.tensor([0, 1, 0])

    def reset(self) -> Tensor:
        self.done = 0
        return self._seen()

    def step(self, action_GE: Tensor) -> tuple[Tensor, Tensor]:
        self.done += 1
        return self._seen(), (action_GE == self.right_G[:, None]).float()

    def _seen(self) -> Tensor:
        return torch.full((*SIZE, FEATURES), float(self.done))


def made(seed: int = 0) -> tuple[Masters, SubPolicies, torch.Generator]:
    torch.manual_seed(seed)
    masters = Masters(lambda: nn.Linear(FEATURES, 3), SIZE[0], 0.01)
    return masters, SubPolicies(lambda: nn.Linear(FEATURES, 3), 2), torch.Generator().manual_seed(seed)


def test_advantages_by_the_sum_of_the_paper() -> None:
    generator = torch.Generator().manual_seed(0)
    reward, value = torch.rand(2, 5, 1, 1, generator=generator)
    delta = [float(reward[t] + 0.9 * (value[t + 1] if t < 4 else 0.0) - value[t]) for t in range(5)]
    by_hand = [sum((0.9 * 0.8) ** (s - t) * delta[s] for s in range(t, 5)) for t in range(5)]
    assert advantages(reward, value, 0.9, 0.8).flatten().tolist() == pytest.approx(by_hand, rel=1e-5)


def test_ppo_by_hand() -> None:
    """One choice of two at even odds that is now three times as likely as the other, value 0.5 and now 1."""
    even = torch.zeros(1, 1, 2)
    played = Played(
        even,
        torch.tensor([[0, 0]]),
        torch.tensor([[0, 1]]),
        torch.full((1, 2), math.log(0.5)),
        torch.full((1, 2), 0.5),
        torch.zeros(1, 2),
    )
    out = torch.tensor([math.log(3.0), 0.0, 1.0]).expand(1, 2, 3)
    advantage = torch.tensor([[3.0, -1.0]])  # mean 1, deviation 2: normal 1 and -1
    group = torch.zeros(1, 2, dtype=torch.int64)
    found = ppo(out, played, advantage, group, Config(clip=0.2, value_weight=0.5))
    first = -min(1.5 * 1, 1.2 * 1) + 0.5 * (1 - 3.5) ** 2
    second = -min(0.5 * -1, 0.8 * -1) + 0.5 * (1 - -0.5) ** 2
    assert found.flatten().tolist() == pytest.approx([first, second], rel=1e-5)


def test_advantages_are_made_normal_for_each_sub_policy() -> None:
    found = normal(torch.tensor([[1.0, 10.0, 3.0, 30.0]]), torch.tensor([[0, 1, 0, 1]]))
    assert found.flatten().tolist() == pytest.approx([-1, -1, 1, 1], rel=1e-5)


def test_the_master_holds_its_choice_and_is_told_what_was_earned_until_the_next() -> None:
    masters, subs, generator = made()
    choices, steps = play(Levers(), masters, subs, 3, generator)
    assert choices.reward.shape == (2, *SIZE)
    torch.testing.assert_close(choices.reward, torch.stack([steps.reward[:3].sum(0), steps.reward[3:].sum(0)]))
    assert torch.equal(steps.option, choices.option.repeat_interleave(3, 0))
    assert torch.equal(choices.seen[1], steps.seen[3])
    own = subs(steps.seen[4], steps.option[4])
    by_hand = torch.stack(
        [
            torch.stack([subs.networks[int(steps.option[4, g, e])](steps.seen[4, g, e]) for e in range(SIZE[1])])
            for g in range(SIZE[0])
        ]
    )
    torch.testing.assert_close(own, by_hand)
    torch.testing.assert_close(steps.value[4], own[..., -1])
    right = (steps.action == torch.tensor([0, 1, 0])[:, None]).float()
    assert torch.equal(steps.reward, right)


def test_each_task_has_a_master_of_its_own() -> None:
    masters, _, _ = made()
    seen = torch.randn(*SIZE, FEATURES)
    by_hand = torch.stack(
        [seen[g] @ masters.weights["weight"][g].T + masters.weights["bias"][g] for g in range(SIZE[0])]
    )
    torch.testing.assert_close(masters(seen), by_hand)
    masters(seen)[1].sum().backward()
    grad = masters.weights["weight"].grad
    assert grad is not None
    assert grad[1].any()
    assert not grad[0].any()
    assert not grad[2].any()


def test_warm_up_teaches_masters_alone_and_frozen_sub_policies_stay() -> None:
    masters, subs, generator = made()
    before = [p.detach().clone() for p in subs.parameters()]
    theirs = masters.weights["weight"].detach().clone()
    returns = learn_tasks(Levers(), masters, subs, None, Config(every=2, warmup=2, joint=1, epochs=2), generator)
    assert len(returns) == 3
    assert all(torch.equal(a, b) for a, b in zip(before, subs.parameters(), strict=True))
    assert not torch.equal(theirs, masters.weights["weight"])
    optimizer = torch.optim.Adam(subs.parameters(), lr=0.01)
    learn(Levers(), masters, subs, optimizer, Config(every=2, epochs=1), generator)
    assert not all(torch.equal(a, b) for a, b in zip(before, subs.parameters(), strict=True))


def test_masters_find_the_sub_policy_that_their_task_needs() -> None:
    """Sub-policies that pull one lever each: nothing is left to learn but which."""
    masters, subs, generator = made()
    with torch.no_grad():
        for lever, network in enumerate(subs.networks):
            assert isinstance(network, nn.Linear)
            network.weight.zero_()
            network.bias.copy_(torch.tensor([20.0 * (lever == 0), 20.0 * (lever == 1), 0.0]))
    config = Config(every=2, warmup=40, joint=0, master_rate=0.05, epochs=3)
    returns = learn_tasks(Levers(), masters, subs, None, config, generator)
    assert sum(returns[:3]) / 3 < 4.5
    assert sum(returns[-5:]) / 5 > 5, "of 6; by chance 3"


def test_draws_follow_the_logits() -> None:
    logits = torch.tensor([0.1, 0.2, 0.7]).log().expand(1, 20_000, 3)
    chosen, log_p = draw(logits, torch.Generator().manual_seed(0))
    shares = torch.bincount(chosen.flatten()) / 20_000
    assert shares.tolist() == pytest.approx([0.1, 0.2, 0.7], abs=0.015)
    torch.testing.assert_close(log_p[0, 0], torch.tensor([0.1, 0.2, 0.7]).log()[chosen[0, 0]])
