"""The three sizes of Gato: trunk and optimiser as published, and how many parameters each reading of the table gives.

[Reed et al. 2022, arXiv:2205.06175, sec. 2.3, app. C.1, D]. The comparison:

    python -m opengato.recipes.gato_sizes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table

from opengato.backbones import decoder
from opengato.core.config import choose
from opengato.nn.layers import TiedTable
from opengato.nn.shapes import shapes_alone
from opengato.train import optim

# The table's "feed-forward hidden size" n may be read as a GEGLU whose joint product is n wide, so that n / 2 units
# remain; as one of n units, with three matrices of the full size; or as two matrices without a gate.
FeedForward = Literal["split", "full", "plain"]
FEED_FORWARDS: tuple[FeedForward, ...] = ("split", "full", "plain")
NUM_IDS = 33_024  # 32,000 of text and 1,024 of numbers, in the table that is shared with the output
FIRST_RATE = 1e-7


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A row: keys are as wide as `width` / `heads`; `parameters` as the paper names the model."""

    blocks: int
    heads: int
    width: int
    hidden: int
    learning_rate: float
    parameters: float


SIZES = {
    "79M": Size(blocks=8, heads=24, width=768, hidden=3072, learning_rate=1e-4, parameters=79e6),
    "364M": Size(blocks=12, heads=12, width=1536, hidden=6144, learning_rate=2e-4, parameters=364e6),
    "1.18B": Size(blocks=24, heads=16, width=2048, hidden=8192, learning_rate=1e-4, parameters=1.18e9),
}


def size_of(name: str) -> Size:
    """A size by its name; an unknown one is a ValueError."""
    return SIZES[choose(name, SIZES, what="size of Gato")]


def trunk(name: str, feed_forward: FeedForward = "split") -> decoder.Config:
    """The decoder of a size, for rows of 1024 positions; of the gated readings, `split` is nearest to the name."""
    size = size_of(name)
    choose(feed_forward, FEED_FORWARDS, what="reading of the feed-forward")
    return decoder.Config(
        width=size.width,
        depth=size.blocks,
        heads=size.heads,
        hidden=size.hidden // 2 if feed_forward == "split" else size.hidden,
        window=1024,
        activation="gelu",
        gated=feed_forward != "plain",
        norm_bias=True,
        drop_path=0.1,
    )


def optimizer(name: str) -> optim.Config:
    """AdamW and the schedule of a size, for the paper's 1,000,000 steps of 512 rows of 1024 positions.

    It does not say whether gradients were clipped: here their norm is, at 1.
    """
    rate = size_of(name).learning_rate
    return optim.Config(
        learning_rate=rate,
        matrix_learning_rate=None,
        weight_decay=0.1,
        betas=(0.9, 0.95),
        epsilon=1e-8,
        warmup=15_000,
        start=FIRST_RATE / rate,
        decay=1.0,
        fall=optim.Cosine(final=0.1),
    )


def num_parameters(name: str, feed_forward: FeedForward = "split") -> int:
    """Of the trunk and the table of ids, nothing allocated."""
    config = trunk(name, feed_forward)
    with shapes_alone():
        modules = (config.build(), TiedTable(NUM_IDS, config.width))
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def comparison() -> Table:
    """Millions of parameters by each reading, and how far that is from the size's name."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("size", *FEED_FORWARDS):
        table.add_column(heading, no_wrap=True)
    for name, size in SIZES.items():
        counts = [num_parameters(name, feed_forward) for feed_forward in FEED_FORWARDS]
        table.add_row(name, *(f"{count / 1e6:,.1f}M {count / size.parameters - 1:+.1%}" for count in counts))
    return table


if __name__ == "__main__":
    Console().print(comparison())
