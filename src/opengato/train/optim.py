"""Optimisers and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """AdamW for tables, norms and heads; Muon for the matrices of the trunk.

    Without a `matrix_learning_rate` they too get AdamW. Both rates follow one schedule: linear warm-up, flat, then
    linear decay over the last `decay` share to zero.
    """

    learning_rate: float = 2e-3
    matrix_learning_rate: float | None = 0.02
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    momentum: float = 0.95
    warmup: int = 100
    decay: float = 0.6
    clip: float = 1.0


def schedule(step: int, steps: int, config: Config) -> float:
    """Factor on the learning rates at `step` of `steps`."""
    rise = min(1.0, (step + 1) / max(1, config.warmup))
    fall = min(1.0, (steps - step) / max(1.0, steps * config.decay))
    return rise * max(fall, 0.0)


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal, [Jordan et al. 2024, "Muon"], with products in `dtype`.

    The update of a matrix (m, n) is scaled by sqrt(max(1, m / n)), so that one rate fits all shapes.
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
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                update = orthogonal(parameter.grad.lerp(momentum, group["momentum"]).to(self.dtype))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                scale = math.sqrt(max(1.0, parameter.shape[0] / parameter.shape[1]))
                parameter.add_(update.to(parameter.dtype), alpha=-group["lr"] * scale)


def orthogonal(matrix: Tensor, iterations: int = 5) -> Tensor:
    """About U V^T of the singular value decomposition: singular values land near 1 by Newton-Schulz steps."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


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


def build(agent: nn.Module, config: Config, dtype: torch.dtype = torch.float32) -> Optimizers:
    """Every trained parameter in exactly one group: trunk matrices to Muon, other matrices and vectors to AdamW."""
    matrices, decayed, plain = [], [], []
    trained = [(name, parameter) for name, parameter in agent.named_parameters() if parameter.requires_grad]
    for name, parameter in trained:
        if parameter.ndim == 2 and name.startswith("backbone.") and config.matrix_learning_rate is not None:
            matrices.append(parameter)
        elif parameter.ndim == 2:
            decayed.append(parameter)
        else:
            plain.append(parameter)
    assert len(matrices) + len(decayed) + len(plain) == len(trained)
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)
    parts: list[torch.optim.Optimizer] = [adam]
    if matrices and config.matrix_learning_rate is not None:
        parts.append(Muon(matrices, config.matrix_learning_rate, config.momentum, config.weight_decay, dtype))
    for part in parts:
        for group in part.param_groups:
            group["base_lr"] = group["lr"]
    return Optimizers(tuple(parts))
