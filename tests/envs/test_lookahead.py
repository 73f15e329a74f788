"""Look-ahead: the best of all plans where it can try all, courses that are kept, lives that are worth more than points.

Letters: N plans, H steps of a plan.
"""

from __future__ import annotations

import itertools

import numpy as np

from opengato.envs.lookahead import Config, LookAhead, Model

NUM_ACTIONS, HORIZON = 3, 4


class Walk(Model):
    """A walk on a ring of fields, some with rewards and some deadly; an action moves 1, 2 or 3 fields on."""

    num_actions = NUM_ACTIONS

    def __init__(self, rewards: np.ndarray, deadly: np.ndarray) -> None:
        self.rewards, self.deadly, self.field = rewards, deadly, 0

    def outcomes(self, plans_NH: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fields_NH = (self.field + np.cumsum(plans_NH + 1, axis=1)) % len(self.rewards)
        return self.rewards[fields_NH], self.deadly[fields_NH]

    def take(self, action: int) -> int:
        self.field = (self.field + action + 1) % len(self.rewards)
        return self.field


def expert(model: Model, config: Config, seed: int = 0) -> LookAhead:
    return config.build(model, np.random.default_rng(seed))


def exhaustive(model: Walk, config: Config) -> float:
    """The best value of all plans, summed by hand; the largest reward of all is among those met."""
    values = []
    for plan in itertools.product(range(NUM_ACTIONS), repeat=HORIZON):
        field, value = model.field, 0.0
        for step, action in enumerate(plan):
            field = (field + action + 1) % len(model.rewards)
            gain = model.rewards[field] / np.abs(model.rewards).max() - config.penalty * model.deadly[field]
            value += config.discount**step * gain
        values.append(value)
    return max(values)


def test_it_finds_the_best_plan_where_it_can_try_all() -> None:
    config = Config(plans=3000, horizon=HORIZON, follow=HORIZON, switch=0.7, discount=0.9, penalty=2.0)
    for seed in range(5):
        generator = np.random.default_rng(seed)
        model = Walk(generator.integers(1, 30, 9).astype(float), generator.random(9) < 0.3)
        act, followed = expert(model, config, seed), 0.0
        best = exhaustive(model, config)
        for step in range(HORIZON):
            field = model.take(act(None))
            gain = model.rewards[field] / model.rewards.max() - config.penalty * model.deadly[field]
            followed += config.discount**step * gain
        np.testing.assert_allclose(followed, best)


def test_it_keeps_its_course_where_nothing_is_to_be_had() -> None:
    """Plans that are all worth the same never replace the rest of the one that it follows."""

    class Desert(Walk):
        first_plans: list[list[int]]

        def outcomes(self, plans_NH: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            self.first_plans.append(plans_NH[0].tolist())
            return super().outcomes(plans_NH)

    model = Desert(np.zeros(5), np.zeros(5, bool))
    model.first_plans = []
    act = expert(model, Config(plans=6, horizon=8, follow=3))
    taken = [act(None) for _ in range(9)]
    first, second, third = model.first_plans
    assert second[:5] == first[3:]
    assert third[:5] == second[3:]
    assert taken == first[:3] + second[:3] + third[:3]


def test_a_life_is_worth_more_than_the_largest_reward() -> None:
    """One field on lie 100 points and death, two on 1 point, three on nothing."""
    model = Walk(np.array([0, 100.0, 1.0, 0]), np.array([False, True, False, False]))
    act = expert(model, Config(plans=50, horizon=1, follow=1, penalty=3.0))
    assert act(None) == 1
    careless = expert(model, Config(plans=50, horizon=1, follow=1, penalty=0.5))
    assert careless(None) == 0


def test_plans_follow_from_the_generator() -> None:
    def actions(seed: int) -> list[int]:
        model = Walk(np.arange(7.0), np.zeros(7, bool))
        act = expert(model, Config(plans=4, horizon=6, follow=2), seed)
        return [act(None) for _ in range(12)]

    assert actions(1) == actions(1)
    assert actions(1) != actions(2)
