"""The MiniGrid family: its table, and a planner that is judged by the worlds themselves."""

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from minigrid.core.world_object import Key, Wall

from opengato.core.environment import Expert, ExpertFailed
from opengato.envs import babyai, minigrid
from opengato.envs.minigrid.planner import DROP, Planner
from opengato.envs.minigrid.simulator import plan

FAMILY = minigrid.Family()
TASKS = {task.id.partition("/")[2]: task for task in FAMILY.tasks()}
WITH_EXPERT = [name for name, task in TASKS.items() if task.expert is not None]
TRAINING_SEED = 1_000_000


def play(env: gymnasium.Env, act: Expert, observation: dict, noise: float = 0.0) -> tuple[int, dict, list[dict]]:
    """Length, last info and all observations of the episode just reset; actions are replaced with chance `noise`."""
    rng, seen, over, info = np.random.default_rng(0), [observation], False, {}
    while not over:
        action = act(observation)
        observation, _, terminated, truncated, info = env.step(int(rng.integers(6)) if rng.random() < noise else action)
        seen.append(observation)
        over = terminated or truncated
    return len(seen) - 1, info, seen


def steps_to_goal(env: gymnasium.Env) -> int:
    """Breadth-first search by stepping the world itself; only turns and steps, and no thing that moves."""
    level = env.unwrapped
    start = (tuple(int(x) for x in level.agent_pos), int(level.agent_dir))
    frontier, seen, steps = {start}, {start}, 0
    while frontier:
        steps, following = steps + 1, set()
        for place, direction in frontier:
            for action in range(3):
                level.agent_pos, level.agent_dir, level.step_count = place, direction, 0
                _, reward, terminated, _, _ = level.step(action)
                if float(reward) > 0:
                    return steps
                if not terminated:
                    following.add((tuple(int(x) for x in level.agent_pos), int(level.agent_dir)))
        frontier = following - seen
        seen |= frontier
    raise AssertionError("no way leads to the goal")


def test_lists_all_worlds_that_the_package_can_make() -> None:
    FAMILY.make("Empty-5x5")  # registers the worlds
    registered = {name for name in gymnasium.registry if name.startswith("MiniGrid-") and "-WFC-" not in name}
    assert {f"MiniGrid-{name}" + ("" if name.endswith("-v1") else "-v0") for name in TASKS} == registered
    assert len(TASKS) == 76
    assert set(TASKS) - set(WITH_EXPERT) == {"Playground"}
    for name in WITH_EXPERT:
        score = TASKS[name].expert_score
        assert score is not None
        assert (score.success_rate or 0) >= 0.95, name
    for name in ("DoorKey-8x8", "PutNear-6x6-N2", "ObstructedMaze-Full-v1"):
        env = FAMILY.make(name)
        assert env.reset(seed=0)[0]["mission"] == TASKS[name].instruction
        assert env.get_wrapper_attr("max_steps") == TASKS[name].max_steps


def test_a_policy_of_babyai_can_read_what_is_seen() -> None:
    mine, theirs = TASKS["Fetch-8x8-N3"], babyai.Family().tasks()[0]
    for ours, other in ((mine.observation_specs, theirs.observation_specs), (mine.action_specs, theirs.action_specs)):
        assert ours.keys() == other.keys()
        for name, spec in ours.items():
            assert (spec.shape, spec.num_values, spec.meaning) == (
                other[name].shape, other[name].num_values, other[name].meaning,
            )  # fmt: skip
    assert TASKS["Dynamic-Obstacles-5x5"].action_specs["action"].num_values == 3


@pytest.mark.parametrize("name", WITH_EXPERT)
def test_the_expert_solves_a_world_that_it_was_not_measured_on(name: str) -> None:
    env = FAMILY.make(name)
    observation, _ = env.reset(seed=TRAINING_SEED)
    length, info, _ = play(env, FAMILY.expert(env), observation)
    assert info["success"]
    assert length < TASKS[name].max_steps


@pytest.mark.parametrize("name", ["Empty-Random-6x6", "LavaGapS6", "LavaCrossingS9N2", "FourRooms"])
def test_walks_are_shortest(name: str) -> None:
    env = FAMILY.make(name)
    for seed in range(2):
        env.reset(seed=seed)
        planned = len(plan(env.unwrapped))
        assert planned == steps_to_goal(env)


@pytest.mark.parametrize("name", ["BlockedUnlockPickup", "KeyCorridorS3R1", "ObstructedMaze-1Q-v1"])
def test_the_planned_world_becomes_the_real_one(name: str) -> None:
    """All that the planner believes after its plan, door by door and thing by thing, is so."""
    env = FAMILY.make(name)
    for seed in range(3):
        env.reset(seed=seed)
        level = env.unwrapped
        planner = Planner(level)
        planner.hold(lambda thing: thing.origin is level.obj)  # noqa: B023 - used at once
        for action in planner.actions:
            env.step(action)
        after = Planner(level)
        assert (after.place, after.facing) == (planner.place, planner.facing)
        assert after.carrying is not None
        assert after.carrying.origin is level.obj
        believed, found = (
            {cell: (thing.kind, thing.color, thing.state) for cell, thing in world.things.items()}
            for world in (planner, after)
        )
        assert believed == found


@pytest.mark.parametrize("name", ["DoorKey-6x6", "BlockedUnlockPickup", "KeyCorridorS3R3", "ObstructedMaze-1Dlhb"])
def test_the_expert_follows_actions_that_it_did_not_choose(name: str) -> None:
    env, solved = FAMILY.make(name), 0
    for seed in range(10):
        observation, _ = env.reset(seed=seed)
        solved += play(env, FAMILY.expert(env), observation, noise=0.2)[1]["success"]
    assert solved >= 9


def test_asked_twice_the_expert_says_the_same() -> None:
    env = FAMILY.make("DoorKey-6x6")
    observation, _ = env.reset(seed=1)
    act = FAMILY.expert(env)
    for _ in range(4):
        action = act(observation)
        assert act(observation) == action
        observation, *_ = env.step(action)


def test_a_world_without_a_key_is_given_up() -> None:
    """A ball took the place of a box with a key: the fault that minigrid's next version of the maze mends."""
    env = FAMILY.make("ObstructedMaze-2Dlhb")
    env.reset(seed=1_000_006)
    with pytest.raises(ExpertFailed, match="nowhere"):
        FAMILY.expert(env)


def test_things_are_put_where_they_part_nothing() -> None:
    rows = ["#######", "#..#..#", "#@...K#", "#..#..#", "#######"]  # two rooms, and a gap between them
    signs = {"#": Wall(), "K": Key("red")}
    cells = [signs.get(sign) for sign in "".join(rows)]
    level = SimpleNamespace(
        width=7, height=5, grid=SimpleNamespace(grid=cells), agent_pos=(1, 2), agent_dir=0, carrying=None
    )
    planner = Planner(level)
    parting = {(x, y) for x in range(1, 6) for y in range(1, 4) if planner.is_free((x, y)) and planner._parts((x, y))}
    assert parting == {(2, 2), (3, 2), (4, 2)}
    planner.hold(lambda thing: thing.kind == "key")
    assert planner.actions == [2, 2, 2, 3]  # three steps, pick up
    planner._put_away({(5, 2)})
    assert planner.actions[-1] == DROP
    assert planner.find(lambda thing: thing.kind == "key") not in parting | {(5, 2)}


def test_obstacles_are_never_hit() -> None:
    env = FAMILY.make("Dynamic-Obstacles-8x8")
    for seed in range(10):
        observation, _ = env.reset(seed=seed)
        assert play(env, FAMILY.expert(env), observation)[1]["success"]


def test_memory_is_looked_up_before_it_is_used() -> None:
    """A policy that sees only the view could do as the expert does: the first room's object was in view, going west."""
    env = FAMILY.make("MemoryS13")
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        _, info, seen = play(env, FAMILY.expert(env), observation)
        assert info["success"]
        assert any(step["direction"] == 2 and np.isin(step["image"][..., 0], (5, 6)).any() for step in seen)


def test_a_world_without_mission_has_an_instruction() -> None:
    env, task = FAMILY.make("Playground"), TASKS["Playground"]
    observation, _ = env.reset(seed=0)
    assert FAMILY.told(observation) is None
    assert FAMILY.instruction(env, task) == task.instruction != ""


def test_an_environment_of_another_family_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one made by the family 'minigrid'"):
        FAMILY.expert(gymnasium.make("CartPole-v1"))
