"""The three sizes of PaLM: trunk, table of ids and optimiser as published, and how many parameters that makes.

[Chowdhery et al. 2022, arXiv:2204.02311, sec. 2, 5, table 1]. The counts beside the published ones:

    python -m opengato.recipes.palm_sizes

Adafactor multiplies each rate by the root mean square of the weights, which for a matrix of n inputs begins at
1 / sqrt(n); here AdamW has that as its rate, and a decay that is the paper's (the rate squared) until the rate falls.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from opengato.agent import model
from opengato.backbones import palm
from opengato.core.config import choose
from opengato.data.loader import LoaderConfig
from opengato.modalities.text import unit
from opengato.nn.shapes import shapes_alone
from opengato.objectives import next_token
from opengato.train import loop, optim
from opengato.train.run import Recipe

NUM_IDS, CONTEXT, TOKENS = 256_000, 2048, 780_000_000_000
RATE, FLAT = 1e-2, 10_000  # of Adafactor, and the steps that it stays there
# What stands here of its kinds of text: 13 % of its mixture are books, 5 % code.
WEIGHTS = {"austen": 9.0, "shakespeare": 4.0, "stdlib": 5.0}
PART = 1  # rows that are computed at once


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A row of table 1; `rows` of a batch are the most of its schedule, from the first step on here."""

    blocks: int
    heads: int
    width: int
    rows: int
    parameters: float


SIZES = {
    "8B": Size(blocks=32, heads=16, width=4096, rows=512, parameters=8.63e9),
    "62B": Size(blocks=64, heads=32, width=8192, rows=1024, parameters=62.50e9),
    "540B": Size(blocks=118, heads=48, width=18432, rows=2048, parameters=540.35e9),
}


def size_of(name: str) -> Size:
    """A size by its name; an unknown one is a ValueError."""
    return SIZES[choose(name, SIZES, what="size of PaLM")]


def trunk(name: str) -> palm.Config:
    """The decoder of a size, for rows of 2048 positions."""
    size = size_of(name)
    return palm.Config(
        width=size.width,
        depth=size.blocks,
        heads=size.heads,
        head_width=256,
        hidden=4 * size.width,
        window=CONTEXT,
    )


def agent(name: str) -> model.Config:
    """Text alone; of the 256,000 ids the shipped tokenizer takes the first 4096."""
    return model.Config(
        modalities={"text": unit.Config(num_ids=NUM_IDS)},
        routes={"instruction": "text", "observation/text": "text", "action/text": "text"},
        backbone=trunk(name),
        context=CONTEXT,
        num_local=32,
    )


def steps_of(name: str) -> int:
    """Steps in which the paper's 780 billion tokens pass once."""
    return TOKENS // (size_of(name).rows * CONTEXT)


def optimizer(name: str) -> optim.Config:
    """The schedule: flat for 10,000 steps, then with one over the root of the step; gradients are clipped at norm 1.

    The paper's second beta is 1 - step^-0.8, which passes 0.999 at step 5600.
    """
    rate, share = RATE * size_of(name).width ** -0.5, FLAT / steps_of(name)
    return optim.Config(
        learning_rate=rate,
        matrix_learning_rate=None,
        weight_decay=RATE**2 / rate,
        betas=(0.9, 0.999),
        warmup=1,
        decay=1 - share,
        fall=optim.InverseRoot(final=share**0.5),
    )


def palm_run(name: str, size: str) -> Recipe:
    """The run of a size: one pass over as many tokens as in the paper, with its z-loss."""
    rows = size_of(size).rows
    return Recipe(
        name=name,
        train=loop.Config(
            agent=agent(size),
            objective=next_token.Config(z=1e-4),
            optim=optimizer(size),
            steps=steps_of(size),
            accumulate=rows // PART,
        ),
        weights=WEIGHTS,
        imports=tuple(WEIGHTS),
        loader=LoaderConfig(groups=rows // PART, workers=2),
        rows_per_group=PART,
    )


def num_parameters(name: str) -> tuple[int, int]:
    """Of the matrices of the trunk and the table of ids, and of the scales of norms; nothing is allocated."""
    config = trunk(name)
    with shapes_alone():
        modules = (config.build(), unit.Config(num_ids=NUM_IDS).build(config.width))
    found = [parameter for module in modules for parameter in module.parameters()]
    return sum(p.numel() for p in found if p.ndim == 2), sum(p.numel() for p in found if p.ndim == 1)


def comparison() -> Table:
    """Billions of parameters, here and as published, which is without the scales of norms."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("size", "matrices", "published", "with norms"):
        table.add_column(heading, no_wrap=True)
    for name, size in SIZES.items():
        matrices, norms = num_parameters(name)
        counts = f"{matrices / 1e9:.3f}B", f"{size.parameters / 1e9:.2f}B", f"{(matrices + norms) / 1e9:.3f}B"
        table.add_row(name, *counts)
    return table


if __name__ == "__main__":
    Console().print(comparison())
