"""MAML's regression of sinusoids: how far off it is after 1, 5 and 10 steps on five points of a new one.

    python benchmarks/maml_sinusoid.py

Amplitude in [0.1, 5], phase in [0, pi], x in [-5, 5]; two hidden layers of 40 ReLU units, weights of deviation 0.01;
learnt with one step of rate 0.01 on 10 points, meta-batches of 25 sinusoids, Adam at 0.001, 70,000 iterations
[Finn et al. 2017, arXiv:1703.03400, sec. 5.1, and their program]. Asked are new sinusoids, 100 points of each.
Published, 5 points, after 1, 5 and 10 steps: 0.67, 0.38, 0.35; learnt jointly, without steps: 2.41, 2.23, 2.19.
Letters: B sinusoids, N points of each, F features of a layer, G those of the next.
"""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch
from _measure import Rate, arguments, report
from torch import Tensor

from opengato.nn.meta import Weights, adapted, fresh

HIDDEN, STD, POINTS, RATE, TASKS, META_RATE = 40, 0.01, 10, 0.01, 25, 1e-3
SHOTS, STEPS, ASKED = (5, 10), (0, 1, 5, 10), 100
AWAY = 100.0  # four times the square of the largest amplitude
Points = tuple[Tensor, Tensor]


def network(generator: torch.Generator) -> dict[str, Tensor]:
    """The weights of two hidden layers: matrices (F, G) and biases (1, G)."""
    weights = {}
    for layer, (inputs, outputs) in enumerate(itertools.pairwise((1, HIDDEN, HIDDEN, 1))):
        matrix = torch.empty(inputs, outputs)
        torch.nn.init.trunc_normal_(matrix, std=STD, a=-2 * STD, b=2 * STD, generator=generator)
        weights |= {f"matrix {layer}": matrix, f"bias {layer}": torch.zeros(1, outputs)}
    return {name: weight.requires_grad_(True) for name, weight in weights.items()}


def sinusoids(count: int, points: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Amplitude and phase (2, B, 1), and x (B, N) of `points` of each."""
    amplitude_B1 = 0.1 + 4.9 * torch.rand(count, 1, generator=generator)
    phase_B1 = math.pi * torch.rand(count, 1, generator=generator)
    return torch.stack([amplitude_B1, phase_B1]), 10 * torch.rand(count, points, generator=generator) - 5


def values(waves: Tensor, x_BN: Tensor) -> Tensor:
    """y (B, N)."""
    return waves[0] * torch.sin(x_BN - waves[1])


def squared(weights: Weights, points: Points) -> Tensor:
    """The mean squared error (B,) of sinusoids, each of which has weights of its own."""
    h_BNF = points[0][..., None]
    for layer in range(3):
        h_BNF = torch.baddbmm(
            weights[f"bias {layer}"], h_BNF if layer == 0 else h_BNF.relu(), weights[f"matrix {layer}"]
        )
    return (h_BNF[..., 0] - points[1]).square().mean(1)


def total(weights: Weights, points: Points) -> Tensor:
    """The errors of all: as none of them reaches the weights of another, its gradient is that of each."""
    return squared(weights, points).sum()


def spread(weights: Weights, count: int) -> dict[str, Tensor]:
    """The weights once for each of `count` sinusoids."""
    return {name: weight.expand(count, *weight.shape) for name, weight in weights.items()}


def learn(iterations: int, inner_steps: int, seed: int, *, second_order: bool = True) -> tuple[Weights, float]:
    """Weights after so many iterations, and the iterations a second. With 0 inner steps all are learnt jointly."""
    generator = torch.Generator().manual_seed(seed)
    weights = network(generator)
    optimizer = torch.optim.Adam(list(weights.values()), lr=META_RATE)
    begun = time.perf_counter()
    for iteration in range(iterations):
        waves, x_BN = sinusoids(TASKS, 2 * POINTS, generator)
        seen, asked = ((x, values(waves, x)) for x in x_BN.split(POINTS, dim=1))
        own = adapted(total, spread(weights, TASKS), [seen] * inner_steps, RATE, second_order=second_order)
        optimizer.zero_grad()
        (total(own, asked) / TASKS).backward()
        optimizer.step()
        if iteration % 5000 == 4999:
            so_far = errors(weights, SHOTS[0], 200, seed + 2)
            print(f"iteration {iteration + 1}, {SHOTS[0]} points: {so_far}", file=sys.stderr, flush=True)
    return weights, iterations / (time.perf_counter() - begun)


def errors(weights: Weights, shots: int, count: int, seed: int) -> dict[str, dict[str, float]]:
    """After 0, 1, 5, 10 steps on `shots` points of `count` sinusoids: mean squared error, 1.96 standard errors, median.

    A network that is further off than `AWAY` has run away, as plain descent at this rate does on a few sinusoids: these
    are counted, and left out of the mean.
    """
    generator = torch.Generator().manual_seed(seed)
    waves, x_BN = sinusoids(count, shots + ASKED, generator)
    seen, asked = ((x, values(waves, x)) for x in x_BN.split([shots, ASKED], dim=1))
    found, own = {}, fresh(spread(weights, count))
    for before, steps in itertools.pairwise((0, *STEPS)):
        own = fresh(adapted(total, own, [seen] * (steps - before), RATE, second_order=False))
        with torch.no_grad():
            error_B = squared(own, asked)
        near_B = error_B[error_B < AWAY]
        figures = {
            "mean": float(near_B.mean()),
            "half": 1.96 * float(near_B.std()) / math.sqrt(len(near_B)),
            "median": float(error_B.nan_to_num(math.inf).median()),
            "away": count - len(near_B),
        }
        found[f"{steps} steps"] = {name: round(value, 4) for name, value in figures.items()}
    return found


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Learn with one step, exact and first order, and without; ask after 0, 1, 5 and 10."""
    options = arguments(__doc__ or "", argv, iterations=70_000, tasks=600, seed=0)
    iterations, tasks = (3, 4) if options.quick else (options.iterations, options.tasks)
    rates, figures = [], {}
    for name, inner_steps, second_order in (("maml", 1, True), ("first order", 1, False), ("jointly", 0, True)):
        weights, speed = learn(iterations, inner_steps, options.seed, second_order=second_order)
        rates.append(Rate(name=name, unit="iterations/s", rounds=(speed,), cores=1.0))
        figures[name] = {f"{shots} points": errors(weights, shots, tasks, options.seed + 1) for shots in SHOTS}
        print(f"{name}: {figures[name]}", file=sys.stderr, flush=True)
    settings = {"iterations": iterations, "sinusoids asked": tasks, "seed": options.seed}
    return report("maml_sinusoid", options, rates, figures={**settings, **figures})


if __name__ == "__main__":
    main()
