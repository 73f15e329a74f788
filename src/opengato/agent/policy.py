"""Acting: observations in, actions out, many environments at once, one cached forward pass a step.

Letters: B environments acting now, N positions of one action field, P a payload row, D width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from opengato.agent.generate import Decoding
from opengato.agent.opening import first_steps, returns_asked
from opengato.core.environment import TaskInfo
from opengato.core.episode import Episode
from opengato.core.modality import Sampling
from opengato.core.policy import Observed, Policy, Values
from opengato.core.returns import ReturnToGo, with_return_specs, with_returns
from opengato.core.sequence import TokenSequence, concatenate
from opengato.envs import family_of, find_task

if TYPE_CHECKING:
    from opengato.agent.model import Agent


@dataclass(slots=True)
class _Running:
    """One environment's episode; `pending` is what was decided but not yet read by the trunk."""

    task: TaskInfo
    pending: list[TokenSequence]
    sampling: Sampling
    step: int = 0
    returns: ReturnToGo | None = None


class AgentPolicy(Policy):
    """The agent as a policy for `rollout`: each episode keeps its own cache row, instruction and random stream.

    An action is sampled within its spec. Its last position is read together with the next observation, which saves a
    pass a step. `prompt` is a demonstration (an episode; a goal picture is one of a single step) that is read before
    the first step: its first whole steps, in `prompt_length` positions with the instruction (default: the context of
    the agent). An agent trained with returns in sight is asked for `target_return` (default: the expert's).
    """

    def __init__(
        self,
        agent: Agent,
        temperature: float = 0.0,
        seed: int = 0,
        rows: int = 16,
        prompt: Episode | None = None,
        prompt_length: int | None = None,
        target_return: float | None = None,
    ):
        self.agent = agent
        self.sampling = Sampling(temperature=temperature)
        self.seed = seed
        self.prompt = prompt
        self.prompt_length = agent.context if prompt_length is None else prompt_length
        self.target_return = target_return
        self.name = f"agent, temperature {temperature:g}"
        self._decoding = Decoding(agent, rows)
        self._running: dict[int, _Running] = {}

    def begin(self, slot: int, task: TaskInfo, instruction: str, env: gymnasium.Env | None, seed: int) -> None:
        rows = len(self._decoding.length)
        if slot >= rows:
            raise ValueError(f"slot {slot} exceeds the {rows} rows of this policy; make it with rows={slot + 1}")
        self._decoding.reset(slot)
        # A CPU generator looks at 32 bits of its seed only: both seeds must be in them.
        mixed = np.random.SeedSequence((self.seed, seed)).generate_state(1)[0]
        generator = torch.Generator(device=self.agent.device).manual_seed(int(mixed))
        returns, shown = returns_asked(self.agent, task, self.target_return), self.prompt
        if returns is not None:
            task = replace(task, observation_specs=with_return_specs(task.observation_specs))
            shown = None if shown is None else with_returns(shown, returns.unit)
        if shown is not None:
            shown = first_steps(shown, instruction, self.agent.serializer, self.prompt_length)
        pending = [self.agent.serializer.prompt(instruction, shown)]
        step = 0 if shown is None else shown.num_steps
        self._running[slot] = _Running(task, pending, replace(self.sampling, generator=generator), step, returns)

    def end(self, slot: int) -> None:
        self._running.pop(slot, None)

    @torch.inference_mode()
    def act(self, slots: list[int], observed: list[Observed]) -> list[Values | None]:
        running = [self._running[slot] for slot in slots]
        for slot, episode, seen in zip(slots, running, observed, strict=True):
            position = self._decoding.length[slot] + sum(len(part) for part in episode.pending)
            specs = episode.task.observation_specs
            earned = {} if episode.returns is None else episode.returns.observe(seen.reward)
            part = self.agent.serializer.observation(specs, {**seen.values, **earned}, episode.step, position)
            episode.pending.append(part)
        h_BD = self._decoding.feed(slots, [concatenate(episode.pending) for episode in running])
        values: list[Values | None] = [{} for _ in slots]
        # All environments of a rollout run one task, so their actions have the same fields.
        specs = running[0].task.action_specs
        fields = self.agent.serializer.action_slots(specs)
        for number, (field, name, count) in enumerate(fields):
            if count is None:
                raise ValueError(f"action {field!r} of {running[0].task.id!r} is open-ended: use `agent.generate`")
            rows_BNP = []
            for place in range(count):
                payload_BP = self._choose(h_BD, name, field, running)
                rows_BNP.append(payload_BP)
                parts = [
                    self._decoding.sequence(name, slot, row[None], episode.step)
                    for slot, row, episode in zip(slots, payload_BP, running, strict=True)
                ]
                if number + 1 < len(fields) or place + 1 < count:
                    h_BD = self._decoding.feed(slots, parts)
                else:
                    for episode, part in zip(running, parts, strict=True):
                        episode.pending = [part]
            codec = self.agent.serializer.codecs[name]
            for b, value in enumerate(values):
                assert value is not None
                value[field] = codec.decode(np.stack([payload_BP[b] for payload_BP in rows_BNP]), specs[field])
        for episode in running:
            episode.step += 1
        return values

    def _choose(self, h_BD: Tensor, name: str, field: str, running: list[_Running]) -> np.ndarray:
        """One payload row an environment; draws come one by one, each from its own stream."""
        spec = running[0].task.action_specs[field]
        if self.sampling.temperature <= 0:
            return self._decoding.sample(h_BD, name, spec, self.sampling)
        rows = [
            self._decoding.sample(h_BD[b : b + 1], name, spec, episode.sampling) for b, episode in enumerate(running)
        ]
        return np.concatenate(rows)


class SinglePolicy:
    """`agent.policy(task)`: `reset()` before an episode, then `act(observation)` gives the environment's action."""

    def __init__(self, policy: AgentPolicy, task_id: str, instruction: str | None):
        self.task = find_task(task_id)
        self.family = family_of(task_id)
        self.instruction = instruction
        self._policy = policy
        self._needs_rewards = returns_asked(policy.agent, self.task, policy.target_return) is not None
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
