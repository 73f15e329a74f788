"""The family of gymnasium's own worlds: its models, its solvers, what its arrays mean. Letters: S states of a table."""

import sys

import gymnasium
import numpy as np
import pytest

from opengato.envs import classic
from opengato.envs.classic import models
from opengato.envs.classic.blackjack import BUST, best_to_hit, dealer_sums, with_card
from opengato.envs.classic.simulator import SETUPS
from opengato.envs.classic.table import TABLE
from opengato.envs.classic.value_iteration import best_actions, table_of

FAMILY = classic.Family()


def play(name: str, seed: int = 0) -> tuple[float, int, dict]:
    """Return, length and last info of an episode of the expert."""
    env = FAMILY.make(name)
    raw, _ = env.reset(seed=seed)
    act, total, length, over, info = FAMILY.expert(env), 0.0, 0, False, {}
    while not over:
        raw, reward, terminated, truncated, info = env.step(act(raw))
        total, length, over = total + float(reward), length + 1, terminated or truncated
    env.close()
    return total, length, info


def test_every_task_has_a_setup_and_its_own_instruction() -> None:
    assert list(TABLE) == list(SETUPS)
    assert len({row.instruction for row in TABLE.values()}) == len(TABLE)
    assert [name for name, row in TABLE.items() if row.expert is None] == ["BipedalWalkerHardcore"]


@pytest.mark.parametrize(
    ("gym_id", "model", "low", "high", "actions"),
    [
        ("MountainCar-v0", models.mountain_car, (-1.2, -0.07), (0.6, 0.07), (0, 1, 2)),
        ("MountainCarContinuous-v0", models.mountain_car_continuous, (-1.2, -0.07), (0.6, 0.07), (-1.0, 0.3, 1.0)),
        ("Pendulum-v1", models.pendulum, (-np.pi, -8), (np.pi, 8), (-2.0, 0.5, 2.0)),
    ],
)
def test_models_are_those_of_gymnasium(gym_id, model, low, high, actions) -> None:
    env = gymnasium.make(gym_id, disable_env_checker=True).unwrapped
    env.reset(seed=0)
    for state in np.random.default_rng(0).uniform(low, high, (40, 2)):
        for action in actions:
            env.state = np.array(state)
            _, reward, terminated, _, _ = env.step(action if gym_id == "MountainCar-v0" else np.array([action]))
            [mine], [my_reward], [over] = model(state[None], action)
            theirs = np.array(env.state, np.float64)
            if model is models.pendulum:
                theirs[0] = (theirs[0] + np.pi) % (2 * np.pi) - np.pi
            np.testing.assert_allclose(mine, theirs, atol=1e-6)
            assert my_reward == pytest.approx(float(reward))
            assert over == terminated


def test_value_iteration_finds_the_best_chance_to_cross_the_lake() -> None:
    """14 of 17 on the slippery 4 x 4 lake, as a direct solution of the policy's linear equations has it."""
    world = FAMILY.make("FrozenLake-4x4-slippery").unwrapped
    chance_ASS, reward_AS = table_of(world.P)
    best_S = best_actions(chance_ASS, reward_AS)
    states = np.arange(len(best_S))
    value_S = np.linalg.solve(np.eye(len(best_S)) - chance_ASS[best_S, states], reward_AS[best_S, states])
    assert value_S[0] == pytest.approx(14 / 17)


def test_solved_tables_take_the_shortest_ways() -> None:
    assert play("CliffWalking")[:2] == (-13.0, 13)
    assert play("FrozenLake-4x4")[:2] == (1.0, 6)
    assert play("FrozenLake-8x8")[:2] == (1.0, 14)
    world = FAMILY.make("Taxi").unwrapped
    for seed in range(5):
        total, length, info = play("Taxi", seed)
        world.reset(seed=seed)
        assert length == steps_to_end(world.P, world.s)
        assert total == 20 - (length - 1)
        assert info["success"]


def steps_to_end(outcomes: dict, start: int) -> int:
    """Breadth-first search over a table without chance."""
    frontier, steps, seen = {start}, 0, {start}
    while True:
        cases = [outcomes[state][action][0] for state in frontier for action in range(6)]
        steps += 1
        if any(over for _, _, _, over in cases):
            return steps
        frontier = {following for _, following, _, _ in cases} - seen
        seen |= frontier


def test_hands_of_blackjack() -> None:
    assert with_card(10, False, 1) == (21, True)
    assert with_card(18, True, 9) == (17, False)  # the ace counts 1 again
    assert with_card(15, False, 10) == (BUST, False)
    for card in range(1, 11):
        assert sum(dealer_sums(*with_card(0, False, card)).values()) == pytest.approx(1)
    assert dealer_sums(20, False) == {20: 1.0}
    assert dealer_sums(16, False)[BUST] == pytest.approx(8 / 13)  # a six to a ten, of 13 cards


def test_the_best_strategy_is_that_of_the_book() -> None:
    """[Sutton and Barto 2018, fig. 5.2]: the lowest sum on which to stick, by the dealer's card."""
    hard = {1: 17, 2: 13, 3: 13, 4: 12, 5: 12, 6: 12, 7: 17, 8: 17, 9: 17, 10: 17}
    soft = {1: 19, 2: 18, 3: 18, 4: 18, 5: 18, 6: 18, 7: 18, 8: 18, 9: 19, 10: 19}
    for shown in range(1, 11):
        assert next(total for total in range(12, 22) if not best_to_hit(total, False, shown)) == hard[shown]
        stick_on_soft = next(total for total in range(12, 22) if not best_to_hit(total, True, shown))
        assert stick_on_soft == soft[shown] or shown == 1  # an ace against soft 18 is a tie of 0.001


def test_arrays_of_toy_text_mean_what_their_specs_say() -> None:
    lake = FAMILY.make("FrozenLake-4x4")
    assert lake.reset(seed=0)[0].tolist() == [0, 0]
    assert lake.step(1)[0].tolist() == [1, 0]  # down
    cliff = FAMILY.make("CliffWalking")
    assert cliff.reset(seed=0)[0].tolist() == [3, 0]
    assert cliff.step(0)[0].tolist() == [2, 0]  # up
    taxi = FAMILY.make("Taxi")
    shown, _ = taxi.reset(seed=3)
    assert tuple(shown) == taxi.unwrapped.decode(taxi.unwrapped.s)
    cards = FAMILY.make("Blackjack")
    for seed in range(20):
        shown, _ = cards.reset(seed=seed)
        assert shown[1] == cards.unwrapped.dealer[0]
        assert shown[0] == sum(cards.unwrapped.player) + 10 * shown[2]


def test_success_is_the_end_that_the_task_asks_for() -> None:
    assert play("CartPole")[::2] == (500.0, {"success": True})
    assert play("MountainCar")[2]["success"]
    assert "success" not in play("Pendulum")[2]
    env = FAMILY.make("CartPole")
    env.reset(seed=0)
    info, over = {}, False
    while not over:
        _, _, over, _, info = env.step(0)
    assert info["success"] is False


def test_box2d_lands_and_crashes() -> None:
    pytest.importorskip("pygame")
    total, _, info = play("LunarLander")
    assert total > 200
    assert info["success"]
    env = FAMILY.make("LunarLander")
    env.reset(seed=0)
    over, reward, info = False, 0.0, {}
    while not over:
        _, reward, over, _, info = env.step(0)
    assert (reward, info["success"]) == (-100.0, False)
    env.close()


def test_a_walk_does_not_depend_on_the_walks_before() -> None:
    """Gymnasium keeps the world of BipedalWalker from episode to episode, and with it an order of contacts."""
    env, walks = FAMILY.make("BipedalWalker"), []
    actions = np.random.default_rng(1).uniform(-1, 1, (60, 4)).astype(np.float32)
    for seed in (3, 4, 3):
        env.reset(seed=seed)
        walks.append(np.array([env.step(action)[0] for action in actions]))
    np.testing.assert_array_equal(walks[0], walks[2])
    assert not np.array_equal(walks[0], walks[1])
    env.close()


def test_the_driver_steers_towards_the_road_and_a_pedal_below_zero_rests() -> None:
    env = FAMILY.make("CarRacing")
    env.reset(seed=0)
    assert env.action_space.contains(np.array([0, -1, -1], np.float32))
    car, track = env.unwrapped.car, env.unwrapped.track
    act = FAMILY.expert(env)
    _, heading, x, y = track[50]
    for side, turn in ((1.0, 1), (-1.0, -1)):  # a car turned off the road, left then right, steers back
        car.hull.position, car.hull.angle = (x, y), heading + 0.4 * side
        assert np.sign(act(np.zeros(0))[0]) == turn
    env.step(np.array([0, -1, -1], np.float32))
    assert all(wheel.gas == 0 and wheel.brake == 0 for wheel in car.wheels)
    env.close()


def test_what_has_no_expert_says_so() -> None:
    env = FAMILY.make("BipedalWalkerHardcore")
    with pytest.raises(ValueError, match="has no expert; use policy 'random'"):
        FAMILY.expert(env)
    env.close()


def test_pictures_are_square() -> None:
    for name in ("CartPole", "Taxi"):
        env = FAMILY.make(name, render_size=64)
        env.reset(seed=0)
        frame = np.asarray(env.render())
        assert (frame.shape, frame.dtype) == ((64, 64, 3), np.uint8)
        assert frame.std() > 10
        env.close()


def test_missing_packages_are_named_with_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for package, module, name, size in (("Box2D", "box2d", "LunarLander", 0), ("pygame", "pictures", "CartPole", 64)):
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.delitem(sys.modules, f"opengato.envs.classic.{module}", raising=False)
        monkeypatch.delattr(classic, module, raising=False)
        with pytest.raises(
            ImportError, match=rf"needs the package '{package}'; run: pip install 'opengato\[classic\]'"
        ):
            FAMILY.make(name, render_size=size)
        monkeypatch.undo()
    FAMILY.make("CartPole").reset(seed=0)
