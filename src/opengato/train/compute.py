"""What a training step computes, counted as it runs by torch's FlopCounterMode: all matrix products and convolutions.

A multiplication and an addition are two operations. Norms, activations and tables, which are small, are left out.
Letters: none; tensors are only measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch
from opengato.train import optim
from opengato.train.distributed import ALONE, Layout, connect
from opengato.train.loop import Config, check_trunk, train_step

BACKWARD = 2  # the backward pass has two products for each of the forward pass [Kaplan et al. 2020, arXiv:2001.08361]


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Scores and the sum of values; arguments are shapes."""
    return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _attention_backward(_: Any, query: Any, key: Any, value: Any, *__: Any, **___: Any) -> int:
    """Scores again, as the kernel keeps none; gradients of weights, values, queries and keys."""
    return 2 * math.prod(query[:-1]) * key[-2] * (3 * query[-1] + 2 * value[-1])


# torch counts attention on a GPU alone.
ON_CPU = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


def counted(call: Callable[[], object]) -> int:
    """Floating-point operations of a call, backward passes in it included."""
    with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
        call()
    return counter.get_total_flops()


def training_flops(agent: Agent, batch: PackedBatch) -> int:
    """Floating-point operations of a step of next-token training on a batch, the backward pass as twice the forward."""
    with torch.no_grad():
        return (1 + BACKWARD) * counted(lambda: agent.losses(batch))


def step_flops(config: Config, batches: Iterable[PackedBatch]) -> float:
    """Floating-point operations of a training step, the mean of real ones on `batches`: forward, backward, optimiser.

    What the objective and the optimiser multiply counts too, as does what is computed twice to spare memory.
    """
    torch.manual_seed(config.seed)
    agent, objective = config.agent.build().train(), config.objective.build()
    check_trunk(agent, objective)
    network = connect(agent, objective, ALONE, Layout(1, 1))
    optimizers = optim.build(agent, config.optim, beside=network.beside)
    found = []
    for step, batch in enumerate(batches):
        rate = optim.schedule(step, config.steps, config.optim)
        parts = batch.split(config.accumulate)
        found.append(
            counted(lambda parts=parts, rate=rate: train_step(network, optimizers, parts, rate, config.optim.clip))
        )
    if not found:
        raise ValueError("received no batches, expected at least one to count the operations of a step on")
    return sum(found) / len(found)
