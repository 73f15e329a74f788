"""What the warm-up of MLSH is good for, on the moving bandits of its authors.

    python benchmarks/moving_bandits.py

A point in a square of 400, two goals in sight, of which one pays and nobody says which; five actions (stay, 20 to
either side); reward 1 within 50 of the right goal; episodes of 50 steps [Frans et al. 2017, arXiv:1710.09767, sec. 6.1,
and their program]. Two sub-policies, a master that chooses every 10 steps. Sub-policies are learnt with the warm-up of
the masters; without it, with as many updates of their own; and without it, with as many iterations. Then new masters
learn new tasks over them, frozen. Published are curves and no numbers: what counts is which is above. Smaller than the
authors' runs (their warm-up is 60 iterations).
Letters: G tasks, E episodes of each, F features, two coordinates X.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import torch
from _measure import Rate, arguments, report
from torch import Tensor, nn

from opengato.train.mlsh import Config, Masters, SubPolicies, Worlds, learn_tasks

SIDE, STRIDE, REACH, STEPS, HIDDEN, SUBS, FEATURES = 400.0, 20.0, 50.0, 50, 32, 2, 6
MOVES = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]) * STRIDE


class MovingBandits(Worlds):
    """`right_G` says which of the two goals pays."""

    steps = STEPS

    def __init__(self, tasks: int, episodes: int, generator: torch.Generator):
        self.tasks, self.episodes, self.generator = tasks, episodes, generator
        self.right_G = torch.randint(2, (tasks,), generator=generator)

    def reset(self) -> Tensor:
        self.goals = SIDE * torch.rand(self.tasks, self.episodes, 2, 2, generator=self.generator)
        self.place_GEX = torch.full((self.tasks, self.episodes, 2), SIDE / 2)
        return self._seen()

    def step(self, action_GE: Tensor) -> tuple[Tensor, Tensor]:
        self.place_GEX = (self.place_GEX + MOVES[action_GE]).clamp(0, SIDE)
        goal_GEX = self.goals[torch.arange(self.tasks), :, self.right_G]
        return self._seen(), ((self.place_GEX - goal_GEX).square().sum(-1) < REACH**2).float()

    def _seen(self) -> Tensor:
        return torch.cat([self.place_GEX, self.goals.flatten(2)], -1) / SIDE


def network(choices: int) -> nn.Module:
    """Two hidden layers, logits and a value."""
    sizes = (nn.Linear(FEATURES, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, HIDDEN), nn.Tanh())
    return nn.Sequential(*sizes, nn.Linear(HIDDEN, choices + 1))


def masters(tasks: int, config: Config) -> Masters:
    return Masters(lambda: network(SUBS), tasks, config.master_rate)


def meta_train(rounds: int, config: Config, size: tuple[int, int], seed: int) -> tuple[SubPolicies, float]:
    """Sub-policies after so many rounds of new tasks, and the iterations a second."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    subs = SubPolicies(lambda: network(len(MOVES)), SUBS)
    optimizer, begun = torch.optim.Adam(subs.parameters(), lr=config.rate), time.perf_counter()
    for number in range(rounds):
        returns = learn_tasks(
            MovingBandits(*size, generator), masters(size[0], config), subs, optimizer, config, generator
        )
        if number % 10 == 0:
            print(f"warm-up {config.warmup}, round {number}: {returns[-1]:.2f}", file=sys.stderr, flush=True)
    return subs, rounds * (config.warmup + config.joint) / (time.perf_counter() - begun)


def meta_test(subs: SubPolicies, iterations: int, config: Config, size: tuple[int, int], seed: int) -> list[float]:
    """The mean return of new tasks in each iteration of new masters over frozen sub-policies."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    alone = Config(every=config.every, warmup=iterations, joint=0, master_rate=config.master_rate)
    return learn_tasks(MovingBandits(*size, generator), masters(size[0], config), subs, None, alone, generator)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """With warm-up, without it in two ways, and sub-policies that have learnt nothing; returns of each seed."""
    options = arguments(__doc__ or "", argv, rounds=60, warmup=6, joint=3, tasks=10, episodes=16, seeds=5)
    rounds, seeds, size, asked = options.rounds, options.seeds, (options.tasks, options.episodes), 10
    if options.quick:
        rounds, seeds, size, asked = 1, 1, (2, 2), 2
    ways = {
        "with warm-up": (options.warmup, options.joint),
        "without, as many updates": (0, options.joint),
        "without, as many iterations": (0, options.warmup + options.joint),
        "untrained": (0, 0),
    }
    speeds: dict[str, list[float]] = {}
    found: dict[str, list[list[float]]] = {name: [] for name in ways}
    for seed in range(seeds):
        for name, (warmup, joint) in ways.items():
            config = Config(warmup=warmup, joint=joint, rate=1e-3)
            subs, speed = meta_train(rounds if joint else 0, config, size, seed)
            if joint:
                speeds.setdefault(name, []).append(speed)
            returns = meta_test(subs, asked, config, (4 * size[0], size[1]), 1000 + seed)
            found[name].append([round(value, 3) for value in returns])
            print(f"seed {seed}, {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    rates = [Rate(name=name, unit="iterations/s", rounds=tuple(each), cores=1.0) for name, each in speeds.items()]
    settings = {"rounds": rounds, "warm-up": options.warmup, "joint": options.joint, "tasks and episodes": size}
    last = {name: [returns[-1] for returns in each] for name, each in found.items()}
    figures = {**settings, "last return of each seed": last, "returns by iteration": found}
    return report("moving_bandits", options, rates, figures=figures)


if __name__ == "__main__":
    main()
