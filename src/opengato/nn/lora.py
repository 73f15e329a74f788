"""Low-rank adapters: beside a weight W that stays, a product of two small matrices learns.

W x + (alpha / r) B A x, A (r, in) drawn as a linear layer's weight is, B (out, r) zero, so that nothing changes before
training [Hu et al. 2021, arXiv:2106.09685, sec. 4.1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`rank` r of the product, and `alpha`: its weight is `alpha / rank`, so that one rate fits all ranks."""

    rank: int = 8
    alpha: float = 16.0

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"`rank` is {self.rank}, expected 1 or more")


class LoraLinear(nn.Linear):
    """A linear layer with an adapter. Its weight and bias keep their names, so that plain weights load into it."""

    def __init__(self, linear: nn.Linear, config: Config):
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.scale = config.alpha / config.rank
        self.down = nn.Parameter(linear.weight.new_empty(config.rank, linear.in_features))
        self.up = nn.Parameter(linear.weight.new_zeros(linear.out_features, config.rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) + self.scale * F.linear(F.linear(input, self.down), self.up)

    @torch.no_grad()
    def merged_weight(self) -> Tensor:
        """W + (alpha / r) B A."""
        return self.weight + self.scale * self.up @ self.down


def adapt(module: nn.Module, config: Config) -> None:
    """Put an adapter beside every linear layer inside `module`, in place."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, LoraLinear(child, config))


def adapters(module: nn.Module) -> list[nn.Parameter]:
    """The parameters of all adapters inside `module`."""
    layers = [layer for layer in module.modules() if isinstance(layer, LoraLinear)]
    return [parameter for layer in layers for parameter in (layer.down, layer.up)]


def merged_state(module: nn.Module) -> dict[str, Tensor]:
    """The state dict of the same module without adapters, what they have learnt added to the weights beside them."""
    state = dict(module.state_dict())
    for name, layer in module.named_modules():
        if isinstance(layer, LoraLinear):
            del state[f"{name}.down"], state[f"{name}.up"]
            state[f"{name}.weight"] = layer.merged_weight()
    return state
