"""pathways-tiny: the run of `tiny` with two independent paths a layer, summed with learned weights.

    opengato train pathways-tiny

Each path has a feed-forward of 180 units, which makes both trunks of one size. Hardware: as `tiny`. Expect: unknown;
nobody has trained it yet.
"""

from __future__ import annotations

from opengato.backbones import pathways
from opengato.recipes.trunks import tiny_with
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    trunk = pathways.Config(width=256, depth=6, heads=4, hidden=180, paths=2, window=256, sinks=64)
    return tiny_with("pathways-tiny", trunk)
