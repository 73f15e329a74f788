"""What PaLM's two changes of a block are worth: both sub-layers side by side, and keys of one head for all queries.

    python benchmarks/parallel_blocks.py
    python benchmarks/parallel_blocks.py --rows 4 --slots 512

Training: forward and backward of the trunk alone, not compiled, of `width` and with a gated
feed-forward of 4 `width`: serial (the decoder's), parallel with as many heads of keys, parallel with one. Decoding: one
slot a step after `past` others, in the cache of the last two. [Chowdhery et al. 2022, sec. 2] found 15 % more speed of
training at large scale from parallel blocks; [Shazeer 2019] tells what one head of keys saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from _measure import Work, arguments, ratio, report, take_turns

from opengato.backbones import decoder, palm
from opengato.core.backbone import CachedBackbone


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(
        __doc__ or "", argv, rounds=7, width=512, depth=4, heads=8, rows=4, slots=256, past=1024, steps=32
    )
    if options.quick:
        options.rounds, options.width, options.depth, options.heads = 1, 32, 1, 4
        options.rows, options.slots, options.past, options.steps = 1, 8, 16, 2
    torch.manual_seed(0)
    trunks = networks(options.width, options.depth, options.heads, max(options.slots, options.past + options.steps))
    contestants: dict[str, Work] = {}
    for name, trunk in trunks.items():
        contestants[f"training, {name}"] = training(trunk, options.rows, options.slots)
    for name in ("parallel", "parallel, one head of keys"):
        contestants[f"decoding, {name}"] = decoding(trunks[name], options.rows, options.past, options.steps)
    rates = list(take_turns(contestants, options.rounds, "positions/s").values())
    serial, parallel, single, many, one = rates
    parameters = {name: sum(p.numel() for p in trunk.parameters()) for name, trunk in trunks.items()}
    cache = {name: trunk.new_cache(1).key.nbytes * 2 for name, trunk in trunks.items()}
    return report(
        "parallel_blocks",
        options,
        rates,
        ratios=[ratio(parallel, serial), ratio(single, parallel), ratio(one, many)],
        figures={"parameters": parameters, "bytes of a row's cache": cache},
    )


def networks(width: int, depth: int, heads: int, window: int) -> dict[str, CachedBackbone]:
    """Trunks of the same shape, but for the heads of keys of the last."""
    hidden, head_width = 4 * width, width // heads
    shape: dict[str, Any] = {"width": width, "depth": depth, "heads": heads, "hidden": hidden, "window": window}
    found = {
        "serial": decoder.Config(**shape, sinks=0),
        "parallel": palm.Config(**shape, sinks=0, head_width=head_width, key_heads=heads),
        "parallel, one head of keys": palm.Config(**shape, sinks=0, head_width=head_width),
    }
    return {name: config.build() for name, config in found.items()}


def training(trunk: CachedBackbone, rows: int, slots: int) -> Work:
    x_BTD = torch.randn(rows, slots, trunk.width)
    position = torch.arange(slots).expand(rows, slots)
    places = torch.zeros_like(position), position, position < 1

    def work() -> int:
        trunk.zero_grad()
        trunk(x_BTD, *places).square().mean().backward()
        return rows * slots

    return work


def decoding(trunk: CachedBackbone, rows: int, past: int, steps: int) -> Work:
    x_BTD = torch.randn(rows, past, trunk.width)
    rows_B = torch.arange(rows)

    @torch.inference_mode()
    def begin() -> Any:
        cache = trunk.new_cache(rows)
        position = torch.arange(past).expand(rows, past)
        trunk.extend(x_BTD, position, position < 0, torch.ones_like(position, dtype=torch.bool), cache, rows_B)
        return cache

    cache, done = begin(), [past]

    @torch.inference_mode()
    def work() -> int:
        full = torch.ones(rows, 1, dtype=torch.bool)
        for _ in range(steps):
            position = torch.full((rows, 1), done[0])
            trunk.extend(x_BTD[:, :1], position, ~full, full, cache, rows_B)
            done[0] += 1
        return rows * steps

    return work


if __name__ == "__main__":
    main()
