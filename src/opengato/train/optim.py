"""Optimisers and the learning-rate schedule.

Letters: G matrices of one shape, M rows, N columns.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from opengato.train.distributed import part_like, whole

MOST_AT_ONCE = 2**22
"""Numbers of matrices that are made orthogonal at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Linear:
    """Down a straight line to the share `final` of the rate."""

    final: float = 0.0

    def factor(self, left: float) -> float:
        """The share of the rate where `left` of the way down remains, from 1 to 0."""
        return self.final + (1 - self.final) * left


@dataclass(frozen=True, kw_only=True, slots=True)
class Cosine:
    """Down half a wave to the share `final` of the rate [Loshchilov & Hutter 2016, arXiv:1608.03983, eq. 5]."""

    final: float = 0.1

    def factor(self, left: float) -> float:
        """The share of the rate where `left` of the way down remains, from 1 to 0."""
        return self.final + (1 - self.final) * (1 - math.cos(math.pi * left)) / 2


@dataclass(frozen=True, kw_only=True, slots=True)
class InverseRoot:
    """Down to the share `final` with one over the root of the step, which is 1 / `final`^2 times as large by then.

    So a rate that is flat until step k and then sqrt(k / step), of a run of n steps, has a `decay` of 1 - k / n and a
    `final` of sqrt(k / n) [Shazeer & Stern 2018, arXiv:1804.04235, sec. 9].
    """

    final: float = 0.1

    def factor(self, left: float) -> float:
        """The share of the rate where `left` of the way down remains, from 1 to 0."""
        return (1 + (self.final**-2 - 1) * (1 - left)) ** -0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """AdamW for tables, norms and heads; Muon for the matrices of the trunk (AdamW too, if it has no rate).

    Both rates follow one schedule: up in `warmup` steps from the share `start` of them, flat, and over the last `decay`
    share of the run down as `fall` says.
    """

    learning_rate: float = 2e-3
    matrix_learning_rate: float | None = 0.02
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    epsilon: float = 1e-8
    momentum: float = 0.95
    warmup: int = 100
    start: float = 0.0
    decay: float = 0.6
    fall: Linear | Cosine | InverseRoot = field(default_factory=Linear)
    clip: float = 1.0


def schedule(step: int, steps: int, config: Config) -> float:
    """Factor on the learning rates at `step` of `steps`."""
    rise = config.start + (1 - config.start) * min(1.0, (step + 1) / max(1, config.warmup))
    left = min(1.0, (steps - step) / max(1.0, steps * config.decay))
    return rise * config.fall.factor(max(left, 0.0))


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal, [Jordan et al. 2024, "Muon"], with products in `dtype`.

    The update of a matrix (m, n) is scaled by sqrt(max(1, m / n)), so that one rate fits all shapes. That of a divided
    matrix is gathered for it: no process can make its part of an orthogonal one.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float,
        weight_decay: float,
        dtype: torch.dtype = torch.float32,
    ):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # ty: ignore[incompatible-method-override]
        for group in self.param_groups:
            for alike in of_one_shape(parameter for parameter in group["params"] if parameter.grad is not None):
                updates_GMN = orthogonal(
                    torch.stack([self._wanted(parameter, group["momentum"]) for parameter in alike])
                )
                for parameter, update_MN in zip(alike, updates_GMN, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    scale = math.sqrt(max(1.0, parameter.shape[0] / parameter.shape[1]))
                    parameter.add_(part_like(update_MN.to(parameter.dtype), parameter), alpha=-group["lr"] * scale)

    def _wanted(self, parameter: nn.Parameter, share: float) -> Tensor:
        """The gradient with Nesterov's momentum, whole."""
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        assert parameter.grad is not None
        momentum = state["momentum"].lerp_(parameter.grad, 1 - share)
        return whole(parameter.grad.lerp(momentum, share).to(self.dtype))


def of_one_shape(matrices: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Matrices of one shape and device side by side, at most `MOST_AT_ONCE` numbers: many small products are slow."""
    alike: dict[tuple[torch.Size, torch.device], list[nn.Parameter]] = {}
    for matrix in matrices:
        alike.setdefault((matrix.shape, matrix.device), []).append(matrix)
    for (shape, _), members in alike.items():
        count = max(1, MOST_AT_ONCE // shape.numel())
        yield from (members[start : start + count] for start in range(0, len(members), count))


def orthogonal(matrices_GMN: Tensor, iterations: int = 5) -> Tensor:
    """About U V^T of the singular value decomposition of each: singular values land near 1 by Newton-Schulz steps."""
    a, b, c = 3.4445, -4.7750, 2.0315
    is_tall = matrices_GMN.shape[1] > matrices_GMN.shape[2]
    x_GMN = matrices_GMN.mT.contiguous() if is_tall else matrices_GMN
    x_GMN = x_GMN / (x_GMN.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(iterations):
        gram_GMM = x_GMN @ x_GMN.mT
        x_GMN = torch.baddbmm(x_GMN, torch.baddbmm(gram_GMM, gram_GMM, gram_GMM, beta=b, alpha=c), x_GMN, beta=a)
    return x_GMN.mT if is_tall else x_GMN


@dataclass(frozen=True, slots=True)
class Optimizers:
    """The two optimisers as one: step, zero, rates, state."""

    parts: tuple[torch.optim.Optimizer, ...]

    def set_rate(self, factor: float) -> None:
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = group["base_lr"] * factor

    def step(self) -> None:
        for part in self.parts:
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict]:
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict]) -> None:
        """The moments of a checkpoint; rates, decays and betas stay those of this config."""
        for part, state in zip(self.parts, states, strict=True):
            settings = [{key: value for key, value in g.items() if key != "params"} for g in part.param_groups]
            part.load_state_dict(state)
            for group, own in zip(part.param_groups, settings, strict=True):
                group.update(own)


@dataclass(frozen=True, slots=True)
class Groups:
    """Every trained parameter in exactly one group: matrices for Muon, the others for AdamW, decayed or plain."""

    matrices: list[nn.Parameter]
    decayed: list[nn.Parameter]
    plain: list[nn.Parameter]

    def state_bytes(self) -> int:
        """What the optimisers will keep of them: one moment for Muon; two and a step count for AdamW."""
        moment = sum(parameter.nbytes for parameter in self.matrices)
        moments = sum(2 * parameter.nbytes + 4 for parameter in (*self.decayed, *self.plain))
        return moment + moments


def groups(agent: nn.Module, config: Config, beside: nn.Module | None = None) -> Groups:
    """Trunk matrices to Muon if it has a rate; norms and biases are not decayed.

    `beside` is what the objective has of its own.
    """
    found = Groups([], [], [])
    own = () if beside is None else beside.named_parameters("objective")
    for name, parameter in itertools.chain(agent.named_parameters(), own):
        if not parameter.requires_grad:
            continue
        if config.matrix_learning_rate is not None and parameter.ndim == 2 and name.startswith("backbone."):
            found.matrices.append(parameter)
        elif parameter.ndim >= 2:
            found.decayed.append(parameter)
        else:
            found.plain.append(parameter)
    return found


def build(
    agent: nn.Module, config: Config, dtype: torch.dtype = torch.float32, beside: nn.Module | None = None
) -> Optimizers:
    """The optimisers of an agent's parameters, and of those `beside` it; Muon's products are in `dtype`."""
    found = groups(agent, config, beside)
    adam_groups = [
        {"params": found.decayed, "weight_decay": config.weight_decay},
        {"params": found.plain, "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(adam_groups, lr=config.learning_rate, betas=config.betas, eps=config.epsilon, fused=True)
    parts: list[torch.optim.Optimizer] = [adam]
    if config.matrix_learning_rate is not None and found.matrices:
        parts.append(Muon(found.matrices, config.matrix_learning_rate, config.momentum, config.weight_decay, dtype))
    for part in parts:
        for group in part.param_groups:
            group["base_lr"] = group["lr"]
    return Optimizers(tuple(parts))
