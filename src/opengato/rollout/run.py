"""The loop: environments of one task in lockstep, a batched policy, episodes in order."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable, Generator, Iterator
from dataclasses import KW_ONLY, dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from opengato.core.environment import ExpertFailed, TaskInfo
from opengato.core.episode import ArraySpec, Episode
from opengato.envs import family_of, find_task
from opengato.rollout.policies import Policy, Values, sample_uniform
from opengato.rollout.processes import ProcessSeats
from opengato.rollout.seats import Begun, LocalSeats, Seats, Stepped

OnFrame = Callable[[int, np.ndarray], None]
_NOISE_STREAM = 0


def disturb(values: Values, specs: dict[str, ArraySpec], level: float, rng: np.random.Generator) -> Values:
    """What is executed instead of `values`.

    A continuous action gets gaussian noise whose standard deviation is `level` times half its range, and is clipped;
    a discrete one is replaced by a uniform one with probability `level`; text stays.
    """
    executed = dict(values)
    for name, spec in specs.items():
        if spec.kind == "continuous":
            low, high = spec.bounds
            half_range = 1.0 if spec.low is None or spec.high is None else (high - low) / 2
            noisy = values[name] + level * half_range * rng.standard_normal(spec.shape)
            executed[name] = np.clip(noisy, low, high).astype(spec.dtype)
        elif spec.kind == "discrete" and rng.random() < level:
            executed[name] = sample_uniform(spec, rng)
    return executed


class _Column:
    """The values of one field, copied as they come: an environment may reuse its arrays."""

    def __init__(self, spec: ArraySpec, where: str) -> None:
        self.spec, self.where = spec, where
        self.packed = spec.kind != "text" and -1 not in spec.shape
        self.shape = spec.shape if self.packed else ()
        self.dtype = np.dtype(spec.dtype if self.packed else object)
        self.buffer = np.empty((64, *self.shape), self.dtype)

    def write(self, step: int, value: Any) -> None:
        if self.packed and (value.shape != self.shape or value.dtype != self.dtype):
            raise ValueError(
                f"{self.where} does not fit its spec {self.spec.name!r}: received {value.dtype} {value.shape}, "
                f"expected {self.dtype} {self.shape}"
            )
        if step == len(self.buffer):
            self.buffer = np.concatenate([self.buffer, np.empty_like(self.buffer)])
        self.buffer[step] = value

    def read(self, steps: int) -> np.ndarray:
        return self.buffer[:steps].copy()


class _Slot:
    """A seat's episode and its record."""

    def __init__(self, number: int, run: Rollout) -> None:
        self.number, self.run = number, run
        task = run.info
        seen, done = task.observation_specs, task.action_specs
        self.observations = {name: _Column(spec, f"observation {name!r} of {task.id!r}") for name, spec in seen.items()}
        self.actions = {name: _Column(spec, f"action {name!r} for {task.id!r}") for name, spec in done.items()}
        self.index = 0

    def begin(self, index: int, begun: Begun) -> bool:
        """Episode `index` has been reset; False if the policy's expert fails at once."""
        run, seed = self.run, self.run.seed + index
        self.index, self.rewards = index, []
        self.terminated = self.truncated = False
        self.success: bool | None = None
        self.rng = np.random.default_rng((seed, _NOISE_STREAM))
        self.noise = float(run.noise[self.rng.integers(len(run.noise))])
        self.instruction, self.observed = begun.instruction, begun.observed
        try:
            run.policy.begin(self.number, run.info, self.instruction, run.seats.env(self.number), seed)
        except ExpertFailed:
            return False
        return True

    def decide(self, values: Values) -> Values:
        """Record the pair (observation, intended action); what is to be executed, disturbed."""
        step = len(self.rewards)
        for name, column in self.observations.items():
            column.write(step, self.observed.values[name])
        for name, column in self.actions.items():
            column.write(step, values[name])
        return disturb(values, self.run.info.action_specs, self.noise, self.rng) if self.noise else values

    def take(self, stepped: Stepped) -> bool:
        """Record what came of it; True when the episode is over."""
        self.observed = stepped.observed
        self.rewards.append(stepped.observed.reward)
        if stepped.success is not None:
            self.success = bool(self.success or stepped.success)
        self.terminated = stepped.terminated
        self.truncated = stepped.truncated or (len(self.rewards) >= self.run.limit and not self.terminated)
        return self.terminated or self.truncated

    def episode(self) -> Episode:
        """The finished record, validated."""
        run, steps = self.run, len(self.rewards)
        return Episode(
            task=run.info.id,
            instruction=self.instruction,
            observation_specs=run.info.observation_specs,
            action_specs=run.info.action_specs,
            observations={name: column.read(steps) for name, column in self.observations.items()},
            actions={name: column.read(steps) for name, column in self.actions.items()},
            rewards=np.asarray(self.rewards, np.float32),
            terminated=self.terminated,
            truncated=self.truncated,
            success=self.success,
            provenance={
                "policy": run.policy.describe(run.info),
                "seed": run.seed + self.index,
                "noise": self.noise,
                "versions": _versions(run.family.packages),
            },
        ).validate()


@functools.cache
def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in packages}


@dataclass(eq=False)
class Rollout(Iterator[Episode]):
    """Run `episodes` episodes of a task, `num_envs` at a time, and give them in the order of their index.

    Each episode draws its level from `noise`: its actions are executed with `disturb`, while the record keeps those
    the policy meant. `on_frame(index, pixels)` is called after the reset and after each step of episode `index`, with
    `render_size` > 0. An episode longer than `max_steps` (default: the task's) is truncated. `dropped` lists the
    indices that the policy gave up so far; `settled` gives one value for each index, None for these. With `processes`
    above 0 the environments run in so many others, for a policy that does not look inside them (an agent, say);
    episodes are the same.
    """

    task: TaskInfo | str
    policy: Policy
    _: KW_ONLY
    episodes: int
    seed: int
    num_envs: int = 1
    noise: tuple[float, ...] = (0.0,)
    render_size: int = 0
    on_frame: OnFrame | None = None
    max_steps: int | None = None
    processes: int = 0
    dropped: list[int] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        if self.episodes < 0 or self.num_envs < 1 or not self.noise or min(self.noise) < 0:
            raise ValueError(
                f"received episodes={self.episodes}, num_envs={self.num_envs}, noise={self.noise}; "
                "expected episodes >= 0, num_envs >= 1 and at least one noise level, none below 0"
            )
        if self.on_frame is not None and self.render_size <= 0:
            raise ValueError(f"`on_frame` needs pixels: give a `render_size` above 0, received {self.render_size}")
        if self.processes and (self.policy.looks_inside or self.on_frame is not None):
            raise ValueError(
                f"received processes={self.processes}, but {self.policy.name!r} looks at the environment itself, or "
                "its pictures are asked for; leave `processes` at 0"
            )
        self.info = find_task(self.task) if isinstance(self.task, str) else self.task
        self.family = family_of(self.info.id)
        self.limit = self.info.max_steps if self.max_steps is None else self.max_steps
        self.settled = self._run()

    def __next__(self) -> Episode:
        while (episode := next(self.settled)) is None:
            continue
        return episode

    def close(self) -> None:
        """Close the environments before the end; a rollout that is read to its end does so itself."""
        self.settled.close()

    def _run(self) -> Generator[Episode | None]:
        count = min(self.num_envs, self.episodes)
        slots = [_Slot(number, self) for number in range(count)]
        idle, active = slots[::-1], []
        waiting = iter(range(self.episodes))
        finished: dict[int, Episode | None] = {}
        due = 0
        self.seats: Seats = (
            ProcessSeats(self.info, count, self.processes)
            if self.processes and count
            else LocalSeats(self.family, self.info, count, self.render_size)
        )
        try:
            while due < self.episodes:
                while started := [(idle.pop(), index) for index in islice(waiting, len(idle))]:
                    for slot, begins in self._begin(started):
                        (active if begins else idle).append(slot)
                        if not begins:
                            finished[slot.index] = None
                for slot, episode in self._step(active):
                    active.remove(slot)
                    idle.append(slot)
                    finished[slot.index] = episode
                while due in finished:
                    episode = finished.pop(due)
                    if episode is None:
                        self.dropped.append(due)
                    due += 1
                    yield episode
        finally:
            self.seats.close()

    def _begin(self, started: list[tuple[_Slot, int]]) -> list[tuple[_Slot, bool]]:
        """Reset slots for their episodes; which of them the policy takes on."""
        begun = self.seats.reset({slot.number: self.seed + index for slot, index in started})
        taken = []
        for slot, index in started:
            taken.append((slot, slot.begin(index, begun[slot.number])))
            self._show(slot)
        return taken

    def _step(self, active: list[_Slot]) -> list[tuple[_Slot, Episode | None]]:
        """One step of every active slot; those whose episode ended, with its record (None: the policy gave it up)."""
        if not active:
            return []
        answers = self.policy.act([slot.number for slot in active], [slot.observed for slot in active])
        going = [(slot, values) for slot, values in zip(active, answers, strict=True) if values is not None]
        stepped = self.seats.step({slot.number: slot.decide(values) for slot, values in going})
        ended: list[tuple[_Slot, Episode | None]] = []
        for slot, values in zip(active, answers, strict=True):
            if values is None:
                ended.append((slot, None))
                continue
            over = slot.take(stepped[slot.number])
            self._show(slot)
            if over:
                ended.append((slot, slot.episode()))
        for slot, _ in ended:
            self.policy.end(slot.number)
        return ended

    def _show(self, slot: _Slot) -> None:
        if self.on_frame is not None:
            assert isinstance(self.seats, LocalSeats)
            self.on_frame(slot.index, self.seats.render(slot.number))


rollout = Rollout  # reads better where it is called: `for episode in rollout("metaworld/reach", policy, ...)`
