"""Tasks of your own without a folder: any Gymnasium environment, made known by a call.

>>> register("CartPole-v1", name="mine/balance", instruction="hold the pole upright")

What is registered lives in its process. Workers that collect are sent it; the command line imports the modules that
`--env`, or the variable OPENGATO_ENVS, names, and they register what they define.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pickle
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from PIL import Image

from opengato.core.config import plugins
from opengato.core.environment import Expert, Family, Observation, Score, TaskInfo
from opengato.core.spaces import SpaceArrays

MODULES = "OPENGATO_ENVS"
NAME = re.compile(r"[\w.-]+/[\w.-]+")
DOCUMENTS = ("text", "caption")  # families that are no environments
EnvMaker = str | EnvSpec | Callable[..., gymnasium.Env]
Instruction = str | Callable[[gymnasium.Env], str]

_families: dict[str, RegisteredFamily] = {}
_imported: set[str] = set()
_by_modules: set[str] = set()  # tasks that a process started from here finds by itself, in the modules of OPENGATO_ENVS


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """What `register` was told; `max_steps` and scores are those of its task."""

    env: EnvMaker
    name: str
    instruction: Instruction
    expert: Callable[..., Any] | None = None
    max_steps: int | None = None
    random_score: Score | float | None = None
    expert_score: Score | float | None = None


def register(
    env: EnvMaker | gymnasium.Env,
    name: str | None = None,
    instruction: Instruction = "",
    expert: Callable[..., Any] | None = None,
    max_steps: int | None = None,
    random_score: Score | float | None = None,
    expert_score: Score | float | None = None,
) -> TaskInfo:
    """Make an environment a task: `make`, `collect`, `evaluate`, `agent.policy` and the recipes know it from now on.

    `env` is an id of Gymnasium, or a function (a class) that makes one; where it takes `render_mode`, it can be drawn.
    `name` is `family/name` (default: `mine/` and the environment's own). `instruction` says what is to be done: a text,
    or a function of the environment that was just reset, where the goal changes. `expert` is a function from an
    observation to an action, or a class of such functions that is given the environment, made anew for each episode.
    `info["success"]` or `info["is_success"]` tells success. `max_steps` is asked for where the environment has no time
    limit. With both scores (mean returns) results are normalised. Registering a name again replaces the task.
    """
    registration = Registration(
        env=_maker(env),
        name=name or f"mine/{_own_name(env)}",
        instruction=instruction,
        expert=expert,
        max_steps=max_steps,
        random_score=random_score,
        expert_score=expert_score,
    )
    family = RegisteredFamily(registration)
    _families[family.info.id] = family
    _by_modules.discard(family.info.id)
    return family.info


def registered() -> dict[str, RegisteredFamily]:
    """Every registered task by its id, those of the modules in OPENGATO_ENVS among them."""
    for word in filter(None, os.environ.get(MODULES, "").split(",")):
        if word not in _imported:
            _imported.add(word)  # before: what it imports may ask for tasks as well
            before = set(_families)
            try:
                _import(word)
            except BaseException:
                _imported.discard(word)
                raise
            _by_modules.update(set(_families) - before)
    return _families


def for_workers(task_ids: Iterable[str]) -> bytes:
    """What another process must be told to know these tasks; ValueError for what cannot be sent there."""
    known = registered()
    wanted = [known[task].registration for task in dict.fromkeys(task_ids) if task in known.keys() - _by_modules]
    for registration in wanted:
        parts = (registration.env, registration.instruction, registration.expert)
        homeless = [part for part in parts if callable(part) and _is_homeless(part)]
        if homeless:
            raise ValueError(
                f"task {registration.name!r} is made by {homeless[0]!r}, which other processes cannot import; move it "
                "to the top of a module of its own, or collect in this process with `opengato.collect`"
            )
    return pickle.dumps(wanted)


def adopt(sent: bytes) -> None:
    """In another process: register what `for_workers` made."""
    for registration in pickle.loads(sent):
        register(**{field.name: getattr(registration, field.name) for field in fields(Registration)})


class RegisteredFamily(Family):
    """One registered task as a family of its own: its spaces are its own."""

    packages = ("gymnasium", "numpy")

    def __init__(self, registration: Registration) -> None:
        name = registration.name
        if not NAME.fullmatch(name):
            raise ValueError(f"received the name {name!r}, expected `family/name`, such as 'mine/lift'")
        self.name = name.partition("/")[0]
        if self.name in (*plugins("envs"), *DOCUMENTS):
            raise ValueError(f"{name!r}: the family {self.name!r} is not free; call it 'mine/{name.partition('/')[2]}'")
        self.registration = registration
        env = self.make(name)
        try:
            self._observations = SpaceArrays(env.observation_space, name, "observation")
            self._actions = SpaceArrays(env.action_space, name, "action")
            self.info = self._describe(env)
        finally:
            env.close()

    def tasks(self) -> list[TaskInfo]:
        return [self.info]

    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        env, mode = self.registration.env, "rgb_array" if render_size else None
        if isinstance(env, str | EnvSpec):
            made = gymnasium.make(env, render_mode=mode, disable_env_checker=True)
        else:
            made = env(render_mode=mode) if mode and _takes(env, "render_mode") else env()
        if not isinstance(made, gymnasium.Env):
            raise ValueError(f"{env!r} made a {type(made).__name__}, expected a gymnasium.Env")
        return _Judged(made, self.registration.name, render_size)

    def expert(self, env: gymnasium.Env) -> Expert:
        expert = self.registration.expert
        assert expert is not None
        return expert(env) if isinstance(expert, type) else expert

    def observation(self, observation: Observation) -> dict[str, np.ndarray]:
        return self._observations.arrays(observation)

    def action(self, values: dict[str, np.ndarray]) -> Any:
        return self._actions.value(values)

    def action_values(self, action: Any) -> dict[str, np.ndarray]:
        return self._actions.arrays(action)

    def instruction(self, env: gymnasium.Env, task: TaskInfo) -> str:
        told = self.registration.instruction
        return told if isinstance(told, str) else str(told(env))

    def _describe(self, env: gymnasium.Env) -> TaskInfo:
        given = self.registration
        max_steps = given.max_steps or (env.spec.max_episode_steps if env.spec is not None else None)
        if max_steps is None or max_steps < 1:
            raise ValueError(f"{given.name!r} has no time limit; say after how many steps to stop: max_steps=500")
        if callable(given.instruction):  # an example, for those who list tasks
            env.reset(seed=0)
        instruction = given.instruction if isinstance(given.instruction, str) else str(given.instruction(env))
        if not instruction.strip():
            raise ValueError(
                f"{given.name!r} has no instruction, by which an agent tells it from other tasks; give one"
            )
        return TaskInfo(
            id=given.name,
            family=self.name,
            instruction=instruction.strip(),
            observation_specs=self._observations.specs,
            action_specs=self._actions.specs,
            max_steps=max_steps,
            expert=None if given.expert is None else getattr(given.expert, "__qualname__", repr(given.expert)),
            random_score=_score(given.random_score),
            expert_score=_score(given.expert_score),
        )


class _Judged(gymnasium.Wrapper):
    """Tells success as a bool under one name, and draws square pictures of `size` pixels."""

    def __init__(self, env: gymnasium.Env, task: str, size: int) -> None:
        super().__init__(env)
        self.task, self.size = task, size

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        success = succeeded(info)
        told = info if success is None else {**info, "success": success}
        return observation, float(reward), bool(terminated), bool(truncated), told

    def render(self) -> Any:
        frame: Any = self.env.render()
        if not isinstance(frame, np.ndarray) or frame.ndim != 3:
            raise RuntimeError(
                f"{self.task!r} gives no pictures: `render()` returned {type(frame).__name__}; register a function "
                "that takes `render_mode` and makes an environment that draws with 'rgb_array'"
            )
        return np.asarray(Image.fromarray(frame).resize((self.size, self.size)))


def succeeded(info: dict[str, Any]) -> bool | None:
    """What an environment says of success in its `info`; None where it says nothing."""
    told = info.get("success", info.get("is_success"))
    return None if told is None else bool(told)


def _maker(env: EnvMaker | gymnasium.Env) -> EnvMaker:
    if not isinstance(env, gymnasium.Env):
        return env
    if env.spec is None:
        raise ValueError(
            f"received an environment ({env}); many are made of a task, so give what makes them: a function or a "
            f"class, such as {type(env.unwrapped).__name__}, or an id of Gymnasium"
        )
    return env.spec


def _own_name(env: EnvMaker | gymnasium.Env) -> str:
    made = _maker(env)
    name = made if isinstance(made, str) else made.id if isinstance(made, EnvSpec) else made.__name__
    return name.rpartition("/")[2]


def _score(given: Score | float | None) -> Score | None:
    """A stated mean return counts as one of no episodes."""
    if given is None or isinstance(given, Score):
        return given
    return Score(mean=float(given), std=0.0, episodes=0, seed=0)


def _takes(function: Callable, parameter: str) -> bool:
    parameters = inspect.signature(function).parameters
    return parameter in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _is_homeless(part: Any) -> bool:
    """Whether a function or a class cannot be found by its name in a fresh process."""
    try:
        pickle.dumps(part)
    except (pickle.PicklingError, AttributeError, TypeError):
        return True
    typed = getattr(sys.modules["__main__"], "__file__", None) is None  # in a notebook or a shell
    return typed and getattr(part, "__module__", None) == "__main__"


def _import(word: str) -> None:
    """Import a module by its name or file; it is found in the current folder as well."""
    path = Path(word if word.endswith(".py") else f"{word}.py")
    folder, name = (path.parent.resolve(), path.stem) if path.is_file() else (Path.cwd(), word)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        raise ValueError(
            f"no module {word!r} to take tasks from: neither a file here nor installed; expected one that calls "
            "`opengato.register`"
        ) from error
