"""Attention in training on a CPU: torch's kernel, and `plain_attention` compiled, which compiled blocks use.

    python benchmarks/attention.py

Forward and backward of the heads of `tiny` under the mask of a packed row, in bfloat16 and float32, for rows of
several lengths. Letters: B rows, H heads, T slots, K head width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from _measure import Work, arguments, ratio, report, take_turns
from torch import Tensor

from opengato.nn.attention import attend, plain_attention

Attention = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
LENGTHS = (128, 256, 512, 1024)
SLOTS = 4096  # of all rows together
HEADS, HEAD_WIDTH = 4, 64
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=9, steps=10)
    lengths, slots = ((16, 32), 64) if options.quick else (LENGTHS, SLOTS)
    if options.quick:
        options.rounds, options.steps = 1, 1
    ways: dict[str, Attention] = {"kernel": attend, "written out": torch.compile(plain_attention)}
    contestants = {
        f"{name}, {way}, {length} keys": passes(attention, dtype, length, slots // length, options.steps)
        for name, dtype in DTYPES.items()
        for length in lengths
        for way, attention in ways.items()
    }
    rates = take_turns(contestants, options.rounds, "slots/s")
    pairs = [
        (f"{name}, written out, {length} keys", f"{name}, kernel, {length} keys")
        for name in DTYPES
        for length in lengths
    ]
    ratios = [ratio(rates[above], rates[below]) for above, below in pairs]
    return report("attention", options, rates.values(), ratios=ratios)


def passes(attention: Attention, dtype: torch.dtype, length: int, rows: int, steps: int) -> Work:
    """Forward and backward, and the slots that were read."""
    generator = torch.Generator().manual_seed(length)
    shape = (rows, HEADS, length, HEAD_WIDTH)
    q, k, v, upward = (torch.randn(shape, generator=generator).to(dtype) for _ in range(4))
    inputs = [x_BHTK.requires_grad_() for x_BHTK in (q, k, v)]
    mask_BTT = torch.ones(length, length, dtype=torch.bool).tril().expand(rows, -1, -1).contiguous()

    def work() -> int:
        for _ in range(steps):
            torch.autograd.grad(attention(q, k, v, mask_BTT), inputs, upward)
        return steps * rows * length

    return work


if __name__ == "__main__":
    main()
