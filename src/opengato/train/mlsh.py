"""Meta-learning shared hierarchies: sub-policies from which a fresh master learns any task of a family quickly.

A master, new for every task, chooses one of K sub-policies every N steps; the sub-policies are shared by all tasks.
Warm-up: the master alone learns; then both do, the master by what a choice earned until the next, a sub-policy by what
its own steps earned [Frans et al. 2017, arXiv:1710.09767, alg. 1]. Both by PPO [Schulman et al. 2017, arXiv:1707.06347,
eq. 7]. Networks are whatever their makers give: observations (..., F) to logits and a value (..., choices + 1).
Letters: G tasks side by side, E episodes of each, S steps, C choices of a master (S / N), F features, K sub-policies,
A actions, V logits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

Make = Callable[[], nn.Module]


class Worlds(ABC):
    """E episodes of each of G tasks side by side, all of `steps` steps; a task is drawn when they are made."""

    steps: int

    @abstractmethod
    def reset(self) -> Tensor:
        """New episodes of the same tasks: observations (G, E, F)."""

    @abstractmethod
    def step(self, action_GE: Tensor) -> tuple[Tensor, Tensor]:
        """Observations (G, E, F) and rewards (G, E)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`every` N steps the master chooses; `warmup` and `joint` are iterations, one of all episodes each.

    The other defaults are those of the authors' program.
    """

    every: int = 10
    warmup: int = 60
    joint: int = 1
    master_rate: float = 0.01
    rate: float = 3e-5
    epochs: int = 10
    clip: float = 0.2
    discount: float = 0.99
    trace: float = 0.98
    value_weight: float = 0.5


class Masters:
    """A master for each of G tasks, with its own optimiser state; new ones know nothing."""

    def __init__(self, make: Make, count: int, rate: float):
        networks = [make() for _ in range(count)]
        self.network = networks[0]
        self.weights, _ = stack_module_state(networks)
        self.optimizer = torch.optim.Adam(self.weights.values(), lr=rate)

    def __call__(self, seen_GEF: Tensor) -> Tensor:
        """Logits and value (G, ..., K + 1), each task by its own master."""

        def one(weights: dict[str, Tensor], seen_EF: Tensor) -> Tensor:
            return functional_call(self.network, weights, (seen_EF,))

        return vmap(one)(self.weights, seen_GEF)


class SubPolicies(nn.Module):
    """K policies that all tasks share."""

    def __init__(self, make: Make, count: int):
        super().__init__()
        self.networks = nn.ModuleList(make() for _ in range(count))

    def forward(self, seen_GEF: Tensor, option_GE: Tensor) -> Tensor:
        """Logits and value (G, E, A + 1) of the policy that was chosen."""
        found_GEKV = torch.stack([network(seen_GEF) for network in self.networks], -2)
        index_GE11 = option_GE[..., None, None].expand(*option_GE.shape, 1, found_GEKV.shape[-1])
        return found_GEKV.gather(-2, index_GE11).squeeze(-2)


@dataclass(frozen=True, slots=True)
class Played:
    """What happened, steps first: observation, what was done, how likely that was, value, and what it earned."""

    seen: Tensor
    option: Tensor
    action: Tensor
    log_p: Tensor
    value: Tensor
    reward: Tensor

    def every(self, count: int) -> Played:
        """The steps 0, N, 2 N, ..., each with what was earned until the next."""
        kept = {field.name: getattr(self, field.name)[::count] for field in fields(self)}
        return Played(**{**kept, "reward": self.reward.unflatten(0, (-1, count)).sum(1)})


@torch.no_grad()
def play(
    worlds: Worlds, masters: Masters, subs: SubPolicies, every: int, generator: torch.Generator
) -> tuple[Played, Played]:
    """All episodes once: the master's choices (C, G, E), and the steps (S, G, E)."""
    seen_GEF = worlds.reset()
    option_GE = torch.zeros(seen_GEF.shape[:-1], dtype=torch.int64)
    chosen, done = [], []
    for step in range(worlds.steps):
        if step % every == 0:
            out_GEV = masters(seen_GEF)
            option_GE, log_p_GE = draw(out_GEV[..., :-1], generator)
        chosen.append((seen_GEF, option_GE, option_GE, log_p_GE, out_GEV[..., -1]))
        own_GEV = subs(seen_GEF, option_GE)
        action_GE, action_log_p_GE = draw(own_GEV[..., :-1], generator)
        after_GEF, reward_GE = worlds.step(action_GE)
        done.append((seen_GEF, option_GE, action_GE, action_log_p_GE, own_GEV[..., -1], reward_GE))
        seen_GEF = after_GEF
    steps = Played(*(torch.stack(column) for column in zip(*done, strict=True)))
    choices = Played(*(torch.stack(column) for column in zip(*chosen, strict=True)), steps.reward)
    return choices.every(every), steps


def draw(logits_GEV: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A choice (G, E) and its log-probability, by the largest of logits with Gumbel noise."""
    uniform = torch.rand(logits_GEV.shape, generator=generator).clamp(1e-9, 1 - 1e-7)
    chosen_GE = (logits_GEV - (-uniform.log()).log()).argmax(-1)
    return chosen_GE, log_p_of(logits_GEV, chosen_GE)


def log_p_of(logits_GEV: Tensor, chosen_GE: Tensor) -> Tensor:
    """The log-probability of choices."""
    return logits_GEV.log_softmax(-1).gather(-1, chosen_GE[..., None]).squeeze(-1)


def advantages(reward_SGE: Tensor, value_SGE: Tensor, discount: float, trace: float) -> Tensor:
    """sum_l (discount * trace)^l delta_t+l with delta_t = r_t + discount V_t+1 - V_t; nothing follows the last step.

    [Schulman et al. 2015, arXiv:1506.02438, eq. 16].
    """
    found, last = [], torch.zeros_like(value_SGE[0])
    after = torch.cat([value_SGE[1:], torch.zeros_like(value_SGE[:1])])
    for reward, value, following in zip(reward_SGE.flip(0), value_SGE.flip(0), after.flip(0), strict=True):
        last = reward + discount * following - value + discount * trace * last
        found.append(last)
    return torch.stack(found[::-1])


def ppo(out: Tensor, played: Played, advantage: Tensor, group: Tensor, config: Config) -> Tensor:
    """-min(r A, clip(r) A), and the squared error of the value: one for each step; `out` is of the network as it is.

    A has mean 0 and deviation 1 within each `group`.
    """
    ratio = (log_p_of(out[..., :-1], played.action) - played.log_p).exp()
    clipped, gain = ratio.clamp(1 - config.clip, 1 + config.clip), normal(advantage, group)
    wanted = advantage + played.value
    return config.value_weight * (out[..., -1] - wanted).square() - torch.minimum(ratio * gain, clipped * gain)


def normal(advantage: Tensor, group: Tensor) -> Tensor:
    """Advantages with mean 0 and deviation 1 within each group."""
    onehot = F.one_hot(group.flatten()).to(advantage.dtype)
    count = onehot.sum(0).clamp(min=1)
    mean = (advantage.flatten() @ onehot) / count
    off = advantage - mean[group]
    deviation = ((off.flatten().square() @ onehot) / count).sqrt()
    return off / (deviation[group] + 1e-8)


def learn(
    worlds: Worlds,
    masters: Masters,
    subs: SubPolicies,
    optimizer: torch.optim.Optimizer | None,
    config: Config,
    generator: torch.Generator,
) -> float:
    """Play, then let the masters learn, and the sub-policies if they have an optimiser; the mean return."""
    choices, steps = play(worlds, masters, subs, config.every, generator)
    gain = advantages(choices.reward, choices.value, config.discount, config.trace)
    own_gain = advantages(steps.reward, steps.value, config.discount, config.trace)
    task = torch.arange(gain.shape[1])[:, None].expand_as(gain)
    for _ in range(config.epochs):
        # Each task's masters see the task alone: tasks first.
        out = masters(choices.seen.movedim(0, 1)).movedim(0, 1)
        masters.optimizer.zero_grad()
        # A sum over tasks of means: none reaches the weights of another.
        ppo(out, choices, gain, task, config).mean((0, 2)).sum().backward()
        masters.optimizer.step()
        if optimizer is not None:
            optimizer.zero_grad()
            ppo(subs(steps.seen, steps.option), steps, own_gain, steps.option, config).mean().backward()
            optimizer.step()
    return float(steps.reward.sum(0).mean())


def learn_tasks(
    worlds: Worlds,
    masters: Masters,
    subs: SubPolicies,
    optimizer: torch.optim.Optimizer | None,
    config: Config,
    generator: torch.Generator,
) -> list[float]:
    """Warm-up of new masters, then joint updates; without an optimiser of the sub-policies these stay as they are."""
    returns = [learn(worlds, masters, subs, None, config, generator) for _ in range(config.warmup)]
    return returns + [learn(worlds, masters, subs, optimizer, config, generator) for _ in range(config.joint)]
