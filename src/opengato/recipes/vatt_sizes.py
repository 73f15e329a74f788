"""The four sizes of VATT, and how many parameters they have here and in the paper.

[Akbari et al. 2021, arXiv:2104.11178, tab. 7]. The comparison, nothing allocated:

    python -m opengato.recipes.vatt_sizes
"""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from torch import nn

from opengato.backbones import encoder
from opengato.core.config import choose
from opengato.nn.shapes import shapes_alone

VOXELS = 4 * 16 * 16 * 3  # numbers of a patch of 4 frames of 16 x 16 pixels
PLACES = 8 + 14 + 14  # times, rows and columns of 32 frames of 224 x 224 pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A row of the table; `parameters` as printed."""

    blocks: int
    width: int
    hidden: int
    heads: int
    parameters: float


SIZES = {
    "small": Size(blocks=6, width=512, hidden=2048, heads=8, parameters=20.9e6),
    "base": Size(blocks=12, width=768, hidden=3072, heads=12, parameters=87.9e6),
    "medium": Size(blocks=12, width=1024, hidden=4096, heads=16, parameters=155.0e6),
    "large": Size(blocks=24, width=1024, hidden=4096, heads=16, parameters=306.1e6),
}


def trunk(name: str) -> encoder.Config:
    """The encoder of a size: GELU, biases, norms first."""
    size = SIZES[choose(name, SIZES, what="size of VATT")]
    return encoder.Config(
        width=size.width,
        depth=size.blocks,
        heads=size.heads,
        hidden=size.hidden,
        activation="gelu",
        gated=False,
        bias=True,
        norm_bias=True,
    )


def num_parameters(name: str) -> int:
    """Of the encoder with the paper's tokeniser of films: a linear layer, tables of places, the summary's vector."""
    config = trunk(name)
    with shapes_alone():
        modules = (config.build(), nn.Linear(VOXELS, config.width), nn.Embedding(PLACES + 1, config.width))
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def comparison() -> Table:
    """Millions of parameters here and as printed, and the difference."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("size", "here", "paper", "difference"):
        table.add_column(heading, no_wrap=True)
    for name, size in SIZES.items():
        count = num_parameters(name)
        cells = (f"{count / 1e6:.2f}M", f"{size.parameters / 1e6:.1f}M", f"{count / size.parameters - 1:+.1%}")
        table.add_row(name, *cells)
    return table


if __name__ == "__main__":
    Console().print(comparison())
