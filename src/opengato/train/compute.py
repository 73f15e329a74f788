"""What a training step computes, counted as it runs: the products of layers and of attention.

Letters: none; tensors are only measured.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch

BACKWARD = 2  # the backward pass has two products for each of the forward pass [Kaplan et al. 2020, arXiv:2001.08361]


def training_flops(agent: Agent, batch: PackedBatch) -> int:
    """Floating-point operations of a step of next-token training on a batch, a multiplication and an addition two.

    Those of linear layers, heads and attention; norms, activations and tables, which are small, are left out.
    """
    with torch.no_grad(), _Counting() as counter:
        agent.losses(batch)
    return (1 + BACKWARD) * counter.flops


class _Counting(TorchFunctionMode):
    """Adds up the products that go by."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is F.linear:
            inputs, weight = args[:2]
            self.flops += 2 * inputs.numel() * weight.shape[0]
        elif func is F.scaled_dot_product_attention:
            query, key, value = args[:3]
            scores = math.prod(query.shape[:-1]) * key.shape[-2]
            self.flops += 2 * scores * (query.shape[-1] + value.shape[-1])
        return func(*args, **(kwargs or {}))
