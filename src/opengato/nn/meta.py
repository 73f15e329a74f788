"""Learning to learn: steps of plain gradient descent as a function of the weights that they begin with.

A loss is a function of weights by name and of data, such as `torch.func.functional_call` makes of a module.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

T = TypeVar("T")
Weights = Mapping[str, Tensor]
Loss = Callable[[Weights, T], Tensor]


class WrittenOut(TorchFunctionMode):
    """Kernels whose gradient has no gradient of its own, in functions that have one: the same numbers, more slowly."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.embedding_bag and kwargs.get("mode") == "sum" and len(args) == 2:
            return F.embedding(*args).sum(-2)
        if func is F.scaled_dot_product_attention:
            with sdpa_kernel(SDPBackend.MATH):
                return func(*args, **kwargs)
        return func(*args, **kwargs)


class _Told(nn.Module):
    """What an objective says of a network, as a module, whose weights can be exchanged."""

    def __init__(self, network: nn.Module, objective: Callable[[Any, Any], tuple[Tensor, Any]]):
        super().__init__()
        self.network, self.objective = network, objective

    def forward(self, data: Any) -> Tensor:
        return self.objective(self.network, data)[0]


def as_function(
    network: nn.Module, objective: Callable[[Any, T], tuple[Tensor, Any]], *, second_order: bool = False
) -> tuple[Loss[T], dict[str, Tensor]]:
    """The loss of a network as a function of its trained weights, and these: any network, as it is.

    With `second_order` its gradient can be differentiated once more (`WrittenOut`).
    """
    module = _Told(network, objective)
    weights: dict[str, Tensor] = {name: p for name, p in module.named_parameters() if p.requires_grad}

    def loss(weights: Weights, data: T, /) -> Tensor:
        with WrittenOut() if second_order else contextlib.nullcontext():
            return functional_call(module, dict(weights), (data,))

    return loss, weights


def put(network: nn.Module, weights: Weights) -> None:
    """Give a network weights of a function that `as_function` made of it."""
    own = dict(network.named_parameters(prefix="network"))
    with torch.no_grad():
        for name, weight in weights.items():
            own[name].copy_(weight)


def adapted(
    loss: Loss[T], weights: Weights, data: Iterable[T], rate: float, *, second_order: bool = True
) -> dict[str, Tensor]:
    """The weights after a step on each of `data` in turn: theta_j+1 = theta_j - rate * grad L(theta_j, data_j).

    Their gradient with respect to `weights` is exact [Finn et al. 2017, arXiv:1703.03400, eq. 1]; without
    `second_order` gradients of the steps count as constant, so that what comes back is the gradient at the weights
    reached (sec. 5.2). Weights that the loss does not reach stay as they are.
    """
    reached = dict(weights)
    for one in data:
        found = torch.autograd.grad(
            loss(reached, one), list(reached.values()), create_graph=second_order, allow_unused=True
        )
        reached = {
            name: weight if gradient is None else weight - rate * gradient
            for (name, weight), gradient in zip(reached.items(), found, strict=True)
        }
    return reached


def fresh(weights: Weights) -> dict[str, Tensor]:
    """The same numbers as weights of their own, whose gradient leads nowhere else."""
    return {name: weight.detach().clone().requires_grad_(True) for name, weight in weights.items()}


def towards(weights: Weights, others: Iterable[Weights]) -> Tensor:
    """A scalar whose gradient is `weights` less the mean of `others`.

    Plain descent on it at a rate of epsilon is Reptile's step: weights + epsilon * mean(others - weights)
    [Nichol et al. 2018, arXiv:1803.02999, alg. 2].
    """
    found = list(others)
    sums = [
        (weight * (weight - torch.stack([other[name] for other in found]).mean(0)).detach()).sum()
        for name, weight in weights.items()
    ]
    return torch.stack(sums).sum()
