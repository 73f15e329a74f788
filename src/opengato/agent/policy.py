"""Acting: observations in, actions out, many environments at once, one cached forward pass a step.

Letters: B environments acting now, N positions of an action, P a payload row, D width,
A numbers of a position, V values of a number.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from opengato.agent.generate import Decoding
from opengato.agent.opening import first_steps, returns_in_sight
from opengato.core.environment import TaskInfo
from opengato.core.episode import Episode
from opengato.core.modality import Sampling
from opengato.core.policy import Observed, Policy, Values
from opengato.core.returns import HIGHEST, LOWEST, TO_GO, ReturnsInSight
from opengato.core.sequence import TokenSequence, concatenate
from opengato.envs import family_of, find_task

if TYPE_CHECKING:
    from opengato.agent.model import Agent


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What an agent may choose from, and how far it looks back.

    `top_p`, `top_k`: see `Sampling`. `history` steps, the present one among them, are all that an action follows from:
    they are read anew each time, after the instruction and the prompt, as if the episode had begun with them, which
    bounds the time of a step [Reed et al. 2022, arXiv:2205.06175, app. G]; None remembers on. `window` positions are in
    sight of each layer (None: as in training). A prompt is read up to `prompt_length` positions, the instruction among
    them (None: the context of the agent). Not `instructed`, it is not told its instruction. An agent that predicts
    returns prefers one that is higher by the expert's return by `good_returns` nats; 0 takes what its data had. Passes
    are CUDA `graphs` where they can be (`Decoding`).
    """

    top_p: float = 1.0
    top_k: int | None = None
    history: int | None = None
    window: int | None = None
    prompt_length: int | None = None
    instructed: bool = True
    good_returns: float = 10.0
    graphs: bool = True

    def __post_init__(self) -> None:
        for name in ("history", "window", "prompt_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"received {name}={value}, expected at least 1, or None for no such limit")

    def __str__(self) -> str:
        """Those that differ from the default: "top_k 5, history 1"."""
        changed = [field for field in fields(self) if getattr(self, field.name) != field.default]
        return ", ".join(f"{field.name} {getattr(self, field.name)}" for field in changed)


@dataclass(slots=True)
class Trace:
    """What went through the network at the last step of an episode, for who looks on.

    `read` are the positions that it read before it acted, `chosen` the field, the modality and the probabilities
    (A, V) of each position of the action, see `Modality.probabilities`.
    """

    read: TokenSequence | None = None
    chosen: list[tuple[str, str, np.ndarray]] = dataclasses.field(default_factory=list)


@dataclass(slots=True)
class _Running:
    """One environment's episode: what comes before its first step, its last steps, how it draws.

    `pending` is what was decided or shown but not yet read by the trunk.
    """

    task: TaskInfo
    head: TokenSequence
    pending: list[TokenSequence]
    recent: deque[TokenSequence]
    sampling: Sampling
    step: int = 0
    returns: ReturnsInSight | None = None
    trace: Trace | None = None


class AgentPolicy(Policy):
    """The agent as a policy for `rollout`: each episode keeps its own cache row, instruction and random stream.

    An action is sampled within its spec: position by position, or at once by an agent with `parallel_actions`. Its last
    position is read together with the next observation, which saves a pass a step. `prompt` is a demonstration (an
    episode; a goal picture is one of a single step) whose first whole steps are read before the first step. An agent
    trained with returns in sight is asked for `target_return` (default: the expert's).
    """

    looks_inside = False

    def __init__(
        self,
        agent: Agent,
        temperature: float = 0.0,
        seed: int = 0,
        rows: int = 16,
        prompt: Episode | None = None,
        limits: Limits | None = None,
        target_return: float | None = None,
    ):
        self.agent = agent
        self.limits = limits or Limits()
        self.sampling = Sampling(temperature=temperature, top_p=self.limits.top_p, top_k=self.limits.top_k)
        self.seed = seed
        self.prompt = prompt
        self.target_return = target_return
        self.name = ", ".join(filter(None, (f"agent, temperature {temperature:g}", str(self.limits))))
        self._decoding = Decoding(agent, rows, self.limits.window, graphs=self.limits.graphs)
        self._running: dict[int, _Running] = {}

    def begin(self, slot: int, task: TaskInfo, instruction: str, env: gymnasium.Env | None, seed: int) -> None:
        self.begin_after(slot, task, instruction, self.prompt, seed)

    def begin_after(
        self,
        slot: int,
        task: TaskInfo,
        instruction: str,
        shown: Episode | None,
        seed: int,
        trace: Trace | None = None,
    ) -> None:
        """An episode starts in `slot`, or goes on there after the steps of `shown`, as many as a prompt may hold.

        `trace` is told of each step.
        """
        rows = len(self._decoding.length)
        if slot >= rows:
            raise ValueError(f"slot {slot} exceeds the {rows} rows of this policy; make it with rows={slot + 1}")
        self._decoding.reset(slot)
        instruction = instruction if self.limits.instructed else ""
        # A CPU generator looks at 32 bits of its seed only: both seeds must be in them.
        mixed = np.random.SeedSequence((self.seed, seed)).generate_state(1)[0]
        generator = torch.Generator(device=self.agent.device).manual_seed(int(mixed))
        returns = returns_in_sight(self.agent, task, self.target_return)
        if returns is not None:
            task = returns.task(task)
            shown = None if shown is None else returns.shown(shown)
        if shown is not None:
            length = self.limits.prompt_length or self.agent.context
            shown = first_steps(shown, instruction, self.agent.serializer, length)
        head = self.agent.serializer.prompt(instruction, shown)
        step = 0 if shown is None else shown.num_steps
        recent: deque[TokenSequence] = deque(maxlen=(self.limits.history or 1) - 1)
        sampling = replace(self.sampling, generator=generator)
        self._running[slot] = _Running(task, head, [head], recent, sampling, step, returns, trace)

    def end(self, slot: int) -> None:
        self._running.pop(slot, None)

    def task(self, slot: int) -> TaskInfo:
        """The task of the episode in `slot`, with the returns that the agent sees of it."""
        return self._running[slot].task

    def act(self, slots: list[int], observed: list[Observed]) -> list[Values | None]:
        for slot, seen in zip(slots, observed, strict=True):
            self.look(slot, seen)
        return [*self.decide(slots)]

    def look(self, slot: int, seen: Observed) -> None:
        """Add an observation to what is to be read; with a `history`, all but the last steps is forgotten.

        ValueError for one that the agent cannot take.
        """
        episode = self._running[slot]
        specs = episode.task.observation_specs
        earned = {} if episode.returns is None else episode.returns.observe(seen.reward)
        part = self.agent.serializer.observation(specs, {**seen.values, **earned}, episode.step, position=0)
        if self.limits.history is not None:
            self._decoding.reset(slot)
            episode.pending = [episode.head, *episode.recent]
        episode.pending.append(part)

    @torch.inference_mode()
    def decide(self, slots: list[int]) -> list[Values]:
        """The actions that answer what was looked at; the tasks of all slots have the same actions."""
        running = [self._running[slot] for slot in slots]
        task = running[0].task
        for episode in running:
            if episode.trace is not None:
                episode.trace.read, episode.trace.chosen = concatenate(episode.pending), []
        fields = self.agent.serializer.action_slots(task.action_specs)
        places = []
        for field, name, count in fields:
            if count is None:
                raise ValueError(f"action {field!r} of {task.id!r} is open-ended: use `agent.generate`")
            places += [(field, name)] * count
        at_once = self.agent.config.parallel_actions
        rows_NBP = self._at_once(slots, running, places) if at_once else self._in_turn(slots, running, places)
        values: list[Values] = []
        for b, (slot, episode) in enumerate(zip(slots, running, strict=True)):
            rows_NP = [payload_BP[b] for payload_BP in rows_NBP]
            self._remember(slot, episode, places, rows_NP)
            values.append(self._values(episode.task, fields, rows_NP))
        return values

    def _unread(self, slot: int, parts: list[TokenSequence]) -> TokenSequence:
        """Parts of an episode as one sequence, numbered on from what the trunk has read."""
        joined = concatenate(parts)
        start = self._decoding.length[slot]
        return replace(joined, position_T=np.arange(start, start + len(joined), dtype=np.int32))

    def _part(self, slot: int, episode: _Running, place: tuple[str, str], payload_P: np.ndarray) -> TokenSequence:
        """One position of an action as the trunk reads it."""
        field, name = place
        mark = self.agent.serializer.action_mark(name, episode.task.action_specs[field])
        return self._decoding.sequence(name, slot, payload_P[None], episode.step, mark)

    def _in_turn(self, slots: list[int], running: list[_Running], places: list[tuple[str, str]]) -> list[np.ndarray]:
        """Payload rows, one (B, *payload_shape) a position: each is read before the next one is chosen."""
        unread = [self._unread(slot, episode.pending) for slot, episode in zip(slots, running, strict=True)]
        rows_NBP: list[np.ndarray] = []
        for place in places:
            if rows_NBP:
                last = places[len(rows_NBP) - 1]
                chosen = zip(slots, running, rows_NBP[-1], strict=True)
                unread = [self._part(slot, episode, last, row_P) for slot, episode, row_P in chosen]
            rows_NBP.append(self._choose(self._decoding.feed(slots, unread), place, running))
        return rows_NBP

    def _at_once(self, slots: list[int], running: list[_Running], places: list[tuple[str, str]]) -> list[np.ndarray]:
        """The same from one pass, in which the positions of the action hold nothing but their place."""
        codecs = self.agent.serializer.codecs
        blank = [np.zeros(codecs[name].payload_shape, codecs[name].payload_dtype) for _, name in places[:-1]]
        unread = []
        for slot, episode in zip(slots, running, strict=True):
            parts = [self._part(slot, episode, *part) for part in zip(places, blank, strict=False)]
            unread.append(self._unread(slot, [*episode.pending, *parts]))
        h_BND = self._decoding.feed_for(slots, unread, len(places))
        return [self._choose(h_BND[:, number], place, running) for number, place in enumerate(places)]

    def _remember(self, slot: int, episode: _Running, places: list[tuple[str, str]], rows_NP: list[np.ndarray]) -> None:
        """The step is over: what of it is to be read with the next one."""
        parts = [self._part(slot, episode, *part) for part in zip(places, rows_NP, strict=True)]
        if episode.recent.maxlen:
            episode.recent.append(concatenate([episode.pending[-1], *parts]))
        episode.pending = parts[-1:]
        episode.step += 1

    def _values(self, task: TaskInfo, fields: list[tuple[str, str, int | None]], rows_NP: list[np.ndarray]) -> Values:
        """An action as arrays, from its payload rows in order."""
        rows, values = iter(rows_NP), {}
        for field, name, count in fields:
            payload_NP = np.stack(list(islice(rows, count)))
            if field == TO_GO:  # said, not done
                continue
            values[field] = self.agent.serializer.codecs[name].decode(payload_NP, task.action_specs[field])
        return values

    def _choose(self, h_BD: Tensor, place: tuple[str, str], running: list[_Running]) -> np.ndarray:
        """One payload row an environment; draws come one by one, each from its own stream."""
        field, name = place
        spec = running[0].task.action_specs[field]
        upward = self.limits.good_returns * (HIGHEST - LOWEST) if field == TO_GO else 0.0
        task_B = torch.tensor([self.agent.task_number(episode.task.id) for episode in running], device=h_BD.device)
        for b, episode in enumerate(running):
            if episode.trace is not None:
                read_BD = self.agent.for_head(h_BD[b : b + 1], name, task_B[b : b + 1])
                probability_BAV = self.agent.modality(name).probabilities(read_BD, spec)
                episode.trace.chosen.append((field, name, probability_BAV[0].cpu().numpy()))
        if self.sampling.temperature <= 0:
            return self._decoding.sample(h_BD, name, spec, replace(self.sampling, upward=upward), task_B)
        rows = [
            self._decoding.sample(
                h_BD[b : b + 1], name, spec, replace(episode.sampling, upward=upward), task_B[b : b + 1]
            )
            for b, episode in enumerate(running)
        ]
        return np.concatenate(rows)


class SinglePolicy:
    """`agent.policy(task)`: `reset()` before an episode, then `act(observation)` gives the environment's action."""

    def __init__(self, policy: AgentPolicy, task_id: str, instruction: str | None):
        self.task = find_task(task_id)
        self.family = family_of(task_id)
        self.instruction = instruction
        self._policy = policy
        self._needs_rewards = returns_in_sight(policy.agent, self.task, policy.target_return) is not None
        self._episodes = 0
        self._asked: str | None = None
        self._begun = False

    def reset(self, instruction: str | None = None) -> None:
        """Forget the past. `instruction` names this episode's goal.

        Default: the policy's, or the one that the first observation carries (BabyAI's mission), or the task's.
        """
        self._asked = instruction or self.instruction
        self._begun = False

    def _begin(self, observation: Any) -> None:
        asked = self._asked or self.instruction or self.family.told(observation) or self.task.instruction
        self._policy.begin(0, self.task, asked, None, seed=self._episodes)
        self._episodes += 1
        self._begun = True

    def act(self, observation: Any, reward: float | None = None) -> Any:
        """The action for an observation, both exactly as the Gymnasium environment knows them.

        `reward` is what the action before it earned: an agent with returns in sight must be told, others may be.
        """
        if not self._begun:
            self._begin(observation)
            reward = 0.0
        if reward is None and self._needs_rewards:
            raise ValueError(
                f"this agent was trained on {self.task.id!r} with its rewards in sight; received none: call "
                "`act(observation, reward)` with the reward of the step before"
            )
        values = self.family.observation(observation)
        for name, spec in self.task.observation_specs.items():
            spec.validate(values[name], where=f"observation {name!r} of {self.task.id!r}")
        (action,) = self._policy.act([0], [Observed(observation, values, reward or 0.0)])
        assert action is not None
        return self.family.action(action)
