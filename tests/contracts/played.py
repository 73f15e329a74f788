"""An episode of random actions, held at every step against what its task says of itself."""

from __future__ import annotations

import gc
import hashlib
import os
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from opengato.core.environment import Family, TaskInfo
from opengato.envs import family_of
from opengato.rollout.policies import sample_uniform

LIMIT_BY_EPISODE = ("babyai",)  # longer missions have more time there; `max_steps` is that of the longest
ALWAYS_ALIKE = {  # nothing in them is drawn, so that seeds change nothing
    "classic/CliffWalking",
    "classic/FrozenLake-4x4",
    "classic/FrozenLake-8x8",
    "minigrid/Empty-5x5",
    "minigrid/Empty-6x6",
    "minigrid/Empty-8x8",
    "minigrid/Empty-16x16",
    "minigrid/DistShift1",
    "minigrid/DistShift2",
}
OTHER_SEEDS = range(4, 12)  # of two, both may draw one of a few worlds
BOOLEAN = (bool, np.bool_)


@dataclass(kw_only=True, slots=True)
class Played:
    """What an episode showed: its instruction, and for each step a digest of observation, reward and end."""

    instruction: str
    shown: list[str] = field(default_factory=list)
    terminated: bool = False
    truncated: bool = False

    @property
    def over(self) -> bool:
        return self.terminated or self.truncated


@contextmanager
def simulator(task: TaskInfo, render_size: int = 0) -> Generator[gymnasium.Env]:
    """The environment of a task, closed at the end; skips where its packages, or a way to draw, are missing."""
    try:
        env = family_of(task.id).make(task.id.partition("/")[2], render_size)
    except ImportError as error:
        pytest.skip(str(error))
    try:
        yield env
    except RuntimeError as error:
        if "OpenGL backend" not in str(error):
            raise
        pytest.skip(str(error))
    finally:
        env.close()


def play(family: Family, task: TaskInfo, env: gymnasium.Env, seed: int, steps: int) -> Played:
    """Up to `steps` random actions, always the same; AssertionError or ValueError where a step breaks the contract."""
    generator = np.random.default_rng(1)
    raw, info = env.reset(seed=seed)
    assert isinstance(info, dict)
    played = Played(instruction=family.instruction(env, task))
    assert isinstance(played.instruction, str)
    assert played.instruction.strip() == played.instruction != ""
    tells_success = None
    for step in range(1, steps + 1):
        seen = _seen(family, task, raw, played.instruction)
        raw, reward, terminated, truncated, info = env.step(_drawn(family, task, env, generator))
        assert isinstance(reward, float | int | np.number), f"{task.id} rewards with {type(reward)}"
        assert np.isfinite(reward), f"{task.id} rewards with {reward} at step {step}"
        assert isinstance(terminated, BOOLEAN), task.id
        assert isinstance(truncated, BOOLEAN), task.id
        assert tells_success in (None, "success" in info), f"{task.id} tells success at some steps only"
        tells_success = "success" in info
        assert isinstance(info.get("success", False), BOOLEAN), task.id
        played.shown.append(hashlib.blake2b(seen + repr((float(reward), bool(terminated))).encode()).hexdigest())
        played.terminated, played.truncated = bool(terminated), bool(truncated)
        if truncated:
            assert step == task.max_steps or (family.name in LIMIT_BY_EPISODE and step < task.max_steps), (
                f"{task.id} is truncated after {step} steps; the task says {task.max_steps}"
            )
        if played.over:
            _seen(family, task, raw, played.instruction)
            break
        assert step < task.max_steps, f"{task.id} goes on after its {step} steps"
    return played


def assert_seed_decides(task: TaskInfo) -> None:
    """One seed is one episode, step by step; among other seeds is another episode, other at its end at the latest."""
    family = family_of(task.id)
    with simulator(task) as env:
        first = play(family, task, env, 3, 50)
        other = play(family, task, env, OTHER_SEEDS[0], 50)
        assert first == play(family, task, env, 3, 50), f"{task.id}: a seed is not always the same episode"
        if first == other and not first.over:  # some games of Atari begin with seconds in which nothing can be done
            first = play(family, task, env, 3, task.max_steps)
        alike = all(first == play(family, task, env, seed, len(first.shown)) for seed in OTHER_SEEDS)
    assert alike == (task.id in ALWAYS_ALIKE), f"{task.id}: seeds are {'' if alike else 'not '}all the same episode"


def _seen(family: Family, task: TaskInfo, raw: Any, instruction: str) -> bytes:
    """The observation as bytes, once it fits the specs."""
    assert family.told(raw) in (None, instruction), task.id
    values = family.observation(raw)
    assert values.keys() == task.observation_specs.keys(), task.id
    for name, spec in task.observation_specs.items():
        spec.validate(values[name], where=f"{task.id} {name}")
        if spec.kind != "text" and -1 not in spec.shape:
            assert values[name].dtype == np.dtype(spec.dtype), f"{task.id} {name}"
    return b"".join(np.asarray(values[name]).tobytes() for name in sorted(values))


def _drawn(family: Family, task: TaskInfo, env: gymnasium.Env, generator: np.random.Generator) -> Any:
    """A random action of the environment, whose arrays are those that were drawn."""
    drawn = {name: sample_uniform(spec, generator) for name, spec in task.action_specs.items()}
    action = family.action(drawn)
    assert env.action_space.contains(action), task.id
    back = family.action_values(action)
    for name, spec in task.action_specs.items():
        np.testing.assert_allclose(back[name], drawn[name])
        assert np.asarray(back[name]).dtype == np.dtype(spec.dtype), task.id
    return action


def assert_leaves_nothing(
    task: TaskInfo, folder: Path, patch: pytest.MonkeyPatch, seconds: float = np.inf, render_size: int = 0
) -> None:
    """A hundred environments, or as many as are made in `seconds` of a processor: made, reset, closed, closed again.

    They leave no open file, no process, and nothing in `folder`, which stands for the folder of temporary files.
    """
    patch.setattr(tempfile, "tempdir", str(folder))
    for _ in range(2):  # what a library opens once, it keeps
        _make_and_close(task, render_size)
    before = _held()
    begun = time.process_time()
    for _ in range(100):
        _make_and_close(task, render_size)
        if time.process_time() - begun > seconds:
            break
    left = _held() - before
    assert not left, f"{task.id} leaves {dict(left)}"
    assert not list(folder.iterdir()), task.id


def _make_and_close(task: TaskInfo, render_size: int) -> None:
    with simulator(task, render_size) as env:
        env.reset(seed=0)
        if render_size > 0:
            env.render()
        env.close()  # and once more when it is left


def _held() -> Counter[str]:
    """Open files of this process, and its children."""
    gc.collect()
    held = Counter[str]()
    for number in Path("/proc/self/fd").iterdir():
        try:
            held[str(number.readlink())] += 1
        except FileNotFoundError:  # the list itself
            continue
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = status.read_text().rpartition(")")
        except OSError:  # it has just ended
            continue
        if rest.split()[1] == str(os.getpid()):
            held[name] += 1
    return held
