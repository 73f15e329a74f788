"""The BabyAI family: its table, its environments, its bot."""

import contextlib
import sys
import threading
import time

import gymnasium
import numpy as np
import pytest
from minigrid.utils import baby_ai_bot

from opengato.core.environment import Expert, ExpertFailed
from opengato.envs import babyai
from opengato.envs.babyai.simulator import MAX_DRAWS, MAX_PLACES, bounded

FAMILY = babyai.Family()
TASKS = {task.id.partition("/")[2]: task for task in FAMILY.tasks()}
UNSOLVED = {name for name, task in TASKS.items() if task.expert is None}
TRAINING_SEED = 1_000_000


def play(env: gymnasium.Env, act: Expert, observation: dict, noise: float = 0.0) -> tuple[float, list[int], dict]:
    """Return, executed actions and last info of the episode just reset; actions are replaced with chance `noise`."""
    rng = np.random.default_rng(0)
    total, actions, over, info = 0.0, [], False, {}
    while not over:
        action = act(observation)
        actions.append(int(rng.integers(7)) if rng.random() < noise else action)
        observation, reward, terminated, truncated, info = env.step(actions[-1])
        assert info["success"] == (float(reward) > 0)
        total, over = total + float(reward), terminated or truncated
    return total, actions, info


def minigrid_bot(env: gymnasium.Env) -> Expert:
    bot = baby_ai_bot.BabyAIBot(env.unwrapped)
    return lambda _: int(bot.replan())


def test_lists_every_level_small_ones_first():
    assert len(TASKS) == 96
    assert len(UNSOLVED) == 7
    assert "UnlockToUnlock" in UNSOLVED
    one_room = [name for name, task in TASKS.items() if "one-room" in task.tags]
    assert len(one_room) == 30
    assert list(TASKS)[:30] == one_room
    assert {"GoToLocal", "PickupDist", "PickupLoc", "PutNextLocal", "OneRoomS20"} <= set(one_room)
    assert all("maze" in task.tags for name, task in TASKS.items() if name not in one_room)
    assert TASKS["GoToLocal"].max_steps == 64
    assert TASKS["GoToLocal"].instruction.startswith("go to ")


def test_every_solved_level_has_an_expert_above_random():
    for name, task in TASKS.items():
        assert task.random_score is not None, name
        assert task.random_score.episodes >= 30, name
        if name in UNSOLVED:
            assert task.expert_score is None, name
        else:
            assert task.expert_score is not None, name
            assert task.expert_score.episodes >= 30, name
            assert (task.expert_score.success_rate or 0.0) >= 0.9, name
            assert task.normalise(task.expert_score.mean) == pytest.approx(1.0)


def test_table_is_that_of_the_installed_simulator():
    FAMILY.make("GoToLocal")  # registers the levels
    registered = {spec for spec in gymnasium.registry if spec.startswith("BabyAI-")}
    assert {f"BabyAI-{name}" for name in TASKS} == {spec.rpartition("-")[0] for spec in registered}
    for name in ("GoToObjS6", "PutNextLocal", "KeyCorridorS3R1", "BossLevel"):
        env, task = FAMILY.make(name), TASKS[name]
        observation, _ = env.reset(seed=0)
        assert observation["mission"] == task.instruction == FAMILY.instruction(env, task)
        assert env.get_wrapper_attr("max_steps") <= task.max_steps
        rooms = env.get_wrapper_attr("num_rows") * env.get_wrapper_attr("num_cols")
        assert ("one-room" in task.tags) == (rooms == 1)


@pytest.mark.parametrize("name", ["GoToLocal", "UnlockPickup", "BossLevel"])
def test_a_seed_fixes_the_episode_and_its_values_fit_the_specs(name):
    task, seen = TASKS[name], []
    actions = np.random.default_rng(7).integers(7, size=50)
    for _ in range(2):
        env = FAMILY.make(name)
        observation, _ = env.reset(seed=TRAINING_SEED)
        steps = [(FAMILY.instruction(env, task), 0.0, FAMILY.observation(observation)["view"])]
        for action in actions:
            observation, reward, terminated, _, _ = env.step(int(action))
            assert env.observation_space.contains(observation)
            steps.append((FAMILY.instruction(env, task), reward, FAMILY.observation(observation)["view"]))
            if terminated:
                observation, _ = env.reset()
        seen.append(steps)
    for (mission, reward, view), (mission_again, reward_again, view_again) in zip(*seen, strict=True):
        task.observation_specs["view"].validate(view)
        assert view.dtype == task.observation_specs["view"].dtype
        assert (mission, reward) == (mission_again, reward_again)
        np.testing.assert_array_equal(view, view_again)
    assert len(np.unique([view for _, _, view in seen[0]], axis=0)) > 5  # it moved


def test_observation_keeps_cells_in_order_and_adds_the_direction():
    image = np.arange(147, dtype=np.uint8).reshape(7, 7, 3) % 11
    view = FAMILY.observation({"image": image, "direction": 3, "mission": "go"})["view"]
    np.testing.assert_array_equal(view[3 * 7 + 6], image[3, 6])
    np.testing.assert_array_equal(view[49], [3, 0, 0])


def test_actions_round_trip():
    for action in range(7):
        values = FAMILY.action_values(action)
        TASKS["GoToLocal"].action_specs["action"].validate(values["action"])
        assert values["action"].dtype == np.int64
        assert FAMILY.action(values) == action


@pytest.mark.parametrize("name", ["GoToObjS4", "PutNextLocalS5N3", "OpenRedDoor", "KeyCorridorS3R1", "SynthS5R2"])
def test_expert_is_the_bot_of_minigrid_and_beats_random(name):
    env, returns = FAMILY.make(name), []
    for seed in range(TRAINING_SEED, TRAINING_SEED + 10):
        observation, _ = env.reset(seed=seed)
        expected, expected_actions, _ = play(env, minigrid_bot(env), observation)
        observation, _ = env.reset(seed=seed)
        total, actions, info = play(env, FAMILY.expert(env), observation)
        assert (total, actions) == (expected, expected_actions)
        assert info["success"]
        returns.append(total)
    assert TASKS[name].normalise(float(np.mean(returns))) > 0.8


def test_expert_follows_actions_that_it_did_not_choose():
    env, solved = gymnasium.wrappers.TimeLimit(FAMILY.make("PutNextLocalS6N4"), 1000), 0
    for seed in range(20):
        observation, _ = env.reset(seed=seed)
        with contextlib.suppress(ExpertFailed):  # it gives up once a box has been opened
            solved += play(env, FAMILY.expert(env), observation, noise=0.2)[2]["success"]
    assert solved >= 16


def test_expert_says_that_it_missed_a_step():
    env = FAMILY.make("GoToLocal")
    observation, _ = env.reset(seed=3)
    expert = FAMILY.expert(env)
    expert(observation)
    with pytest.raises(ValueError, match="asked at step 0, expected 1"):
        expert(observation)
    env.step(0)
    observation, *_ = env.step(0)
    with pytest.raises(ValueError, match="asked at step 2, expected 1"):
        expert(observation)


def test_expert_needs_an_environment_of_this_family():
    with pytest.raises(ValueError, match="expected one made by the family 'babyai'"):
        FAMILY.expert(gymnasium.make("CartPole-v1"))


def test_bot_that_plans_in_circles_is_stopped():
    env = FAMILY.make("UnlockToUnlock")
    observation, _ = env.reset(seed=4)  # a key behind the door that it opens
    start = time.monotonic()
    with pytest.raises(ExpertFailed, match="plans in circles"):
        play(env, FAMILY.expert(env), observation)
    assert time.monotonic() - start < 5


def test_hanging_bot_is_stopped_in_any_thread(monkeypatch):
    env = FAMILY.make("GoToLocal")
    observation, _ = env.reset(seed=0)

    def wait(subgoal: baby_ai_bot.Subgoal) -> None:
        """Decide nothing: BabyAIBot.replan asks again for ever."""
        time.sleep(0.001)

    monkeypatch.setattr(baby_ai_bot.GoNextToSubgoal, "replan_before_action", wait)
    failures = []

    def act() -> None:
        try:
            FAMILY.expert(env)(observation)
        except ExpertFailed as error:
            failures.append(error)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert len(failures) == 1


@pytest.mark.parametrize("name", sorted(UNSOLVED))
def test_levels_without_expert_can_be_played_and_their_bot_ends(name):
    env = FAMILY.make(name)
    for seed in range(3):
        observation, _ = env.reset(seed=seed)
        with contextlib.suppress(ExpertFailed):
            play(env, FAMILY.expert(env), observation)


def test_nothing_is_printed(capfd):
    for name in ("PutNextLocal", "UnblockPickup"):
        env = FAMILY.make(name)
        for seed in range(20):
            env.reset(seed=seed)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "size"), [("GoToLocal", 64), ("UnlockPickup", 50), ("BossLevel", 96)])
def test_pictures_are_square_and_fast(name, size):
    env = FAMILY.make(name, render_size=size)
    env.reset(seed=0)
    frame = np.asarray(env.render())
    assert (frame.shape, frame.dtype) == ((size, size, 3), np.uint8)
    assert frame.std() > 10
    start = time.process_time()
    for _ in range(50):
        env.render()
    assert 50 / (time.process_time() - start) > 100
    env.step(0)
    assert not np.array_equal(np.asarray(env.render()), frame)


def test_picture_that_was_not_asked_for():
    env = FAMILY.make("GoToLocal")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="render_size=0"):
        env.render()


def test_unknown_level_suggests_the_near_one():
    with pytest.raises(ValueError, match="unknown BabyAI level 'GoToLocel'; did you mean 'GoToLocal'"):
        FAMILY.make("GoToLocel")


def test_missing_simulator_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "minigrid", None)
    monkeypatch.delitem(sys.modules, "opengato.envs.babyai.simulator", raising=False)
    monkeypatch.delattr(babyai, "simulator", raising=False)
    assert len(FAMILY.tasks()) == 96
    with pytest.raises(ImportError, match=r"pip install 'opengato\[babyai\]'"):
        FAMILY.make("GoToLocal")


def test_a_map_that_would_be_drawn_for_ever_is_drawn_anew() -> None:
    """Its first room has no free cell for the agent; minigrid alone does not come back."""
    env = FAMILY.make("SynthS5R2")
    first, _ = env.reset(seed=1_000_436)
    again, _ = env.reset(seed=1_000_436)
    assert first["mission"] == again["mission"]
    np.testing.assert_array_equal(first["image"], again["image"])


@pytest.mark.parametrize("name", ["SynthS5R2", "GoToLocal", "PutNextS4N1"])
def test_all_other_maps_are_those_of_minigrid(name: str) -> None:
    ours, theirs = FAMILY.make(name), gymnasium.make(f"BabyAI-{name}-v0")
    for seed in range(30):
        (mine, _), (original, _) = ours.reset(seed=seed), theirs.reset(seed=seed)
        assert mine["mission"] == original["mission"]
        np.testing.assert_array_equal(mine["image"], original["image"])


def test_an_agent_that_finds_no_place_is_not_sought_for_ever() -> None:
    drawn = []
    place = bounded(lambda thing, **settings: drawn.append((thing, settings["max_tries"])))
    for _ in range(MAX_PLACES):
        place(None)
    with pytest.raises(RecursionError, match="found no place"):
        place(None)
    place("ball", max_tries=7)
    place(None)
    assert drawn[-2:] == [("ball", 7), (None, MAX_DRAWS)]
    assert len(drawn) == MAX_PLACES + 2
