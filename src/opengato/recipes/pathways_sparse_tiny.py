"""pathways-sparse-tiny: the run of `tiny` with four feed-forwards a layer, of which a slot goes through two.

    opengato train pathways-sparse-tiny

Two of 352 units multiply as much as the one of 704 in `tiny`, with twice its parameters. Hardware: as `tiny`; blocks
that route are not compiled. Expect: unknown; nobody has trained it yet.
"""

from __future__ import annotations

from opengato.backbones.pathways import sparse
from opengato.recipes.trunks import tiny_with
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    trunk = sparse.Config(width=256, depth=6, heads=4, hidden=352, paths=4, chosen=2, window=256, sinks=64)
    return tiny_with("pathways-sparse-tiny", trunk)
