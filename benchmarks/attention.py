"""Attention in training on a CPU: torch's kernel under a mask, and what compiled and plain blocks do in its place.

    python benchmarks/attention.py

Forward and backward of the heads of `tiny` in rows of one document, in bfloat16 and float32, for rows of several
lengths. Ours is `attend` under `stairs` of the mask: compiled, and as it is. Beside them, what none can have whose rows
hold several documents: the kernel told that each slot sees all before it, without a mask. Below, what Perceivers do
without any: latents that read inputs and one another, as in the jobs `language`, `flow` and `digits`.

Letters: B rows, H heads, T slots or queries, S keys, K head width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from _measure import Work, arguments, ratio, report, take_turns
from torch import Tensor

from opengato.nn.attention import attend, stairs

Attention = Callable[[Tensor, Tensor, Tensor, Any], Tensor]
LENGTHS = (128, 256, 512, 1024)
SLOTS = 4096  # of all rows together
HEADS, HEAD_WIDTH = 4, 64
OURS = "ours, compiled"
UNMASKED = {  # (B, H, T, S, K)
    "64 latents, 256 bytes": (32, 8, 64, 256, 32),
    "64 latents": (32, 8, 64, 64, 32),
    "256 latents": (8, 8, 256, 256, 16),
    "32 latents": (32, 4, 32, 32, 32),
}
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=9, steps=10)
    lengths, slots = ((16, 32), 64) if options.quick else (LENGTHS, SLOTS)
    if options.quick:
        options.rounds, options.steps = 1, 1
    ways: dict[str, Attention] = {
        "kernel": lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask[:, None]),
        OURS: torch.compile(attend, dynamic=False),
        "ours": attend,
        "kernel without a mask": lambda q, k, v, _: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    }
    contestants = {
        f"{name}, {way}, {length} keys": passes(attention, dtype, length, slots // length, options.steps, way)
        for name, dtype in DTYPES.items()
        for length in lengths
        for way, attention in ways.items()
    }
    unmasked = dict.fromkeys(UNMASKED, (1, 1, 2, 3, 4)) if options.quick else UNMASKED
    contestants |= {
        f"{name}, {way}, {what}": unmasked_passes(attention, dtype, shape, options.steps)
        for name, dtype in DTYPES.items()
        for what, shape in unmasked.items()
        for way, attention in (("kernel", F.scaled_dot_product_attention), ("ours", attend))
    }
    rates = take_turns(contestants, options.rounds, "slots/s")
    pairs = [
        (f"{name}, {OURS}, {length} keys", f"{name}, {other}, {length} keys")
        for name in DTYPES
        for length in lengths
        for other in ("kernel", "kernel without a mask")
    ]
    pairs += [(f"{name}, ours, {what}", f"{name}, kernel, {what}") for name in DTYPES for what in unmasked]
    ratios = [ratio(rates[above], rates[below]) for above, below in pairs]
    return report("attention", options, rates.values(), ratios=ratios)


def passes(attention: Attention, dtype: torch.dtype, length: int, rows: int, steps: int, way: str) -> Work:
    """Forward and backward, and the slots that were read."""
    generator = torch.Generator().manual_seed(length)
    shape = (rows, HEADS, length, HEAD_WIDTH)
    q, k, v, upward = (torch.randn(shape, generator=generator).to(dtype) for _ in range(4))
    inputs = [x_BHTK.requires_grad_() for x_BHTK in (q, k, v)]
    mask_BTT = torch.ones(length, length, dtype=torch.bool).tril().expand(rows, -1, -1).contiguous()
    sight = stairs(mask_BTT) if "ours" in way else mask_BTT

    def work() -> int:
        for _ in range(steps):
            torch.autograd.grad(attention(q, k, v, sight), inputs, upward)
        return steps * rows * length

    return work


def unmasked_passes(
    attention: Callable[..., Tensor], dtype: torch.dtype, shape: tuple[int, int, int, int, int], steps: int
) -> Work:
    """Forward and backward of queries that see all keys, and the queries that were answered."""
    rows, heads, queries, keys, width = shape
    generator = torch.Generator().manual_seed(keys)
    q, k, v, upward = (
        torch.randn(rows, heads, size, width, generator=generator).to(dtype) for size in (queries, keys, keys, queries)
    )
    inputs = [x.requires_grad_() for x in (q, k, v)]

    def work() -> int:
        for _ in range(steps):
            torch.autograd.grad(attention(q, k, v), inputs, upward)
        return steps * rows * queries

    return work


if __name__ == "__main__":
    main()
