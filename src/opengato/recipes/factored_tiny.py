"""factored-tiny: the run of `tiny` with attention factored over its six modalities, combined by learned gates.

    opengato train factored-tiny
    opengato train factored-tiny train.agent.backbone.combine=sum train.agent.backbone.within=divided

The weights of the trunk are those of `tiny` and the gates (37 thousand); attention is computed seven times, once a
sight. Hardware: as `tiny`, slower. Expect: unknown; nobody has trained it yet.
"""

from __future__ import annotations

from opengato.backbones import factored
from opengato.recipes import tiny
from opengato.recipes.trunks import tiny_with
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    kinds = len(tiny.agent().modalities)
    trunk = factored.Config(width=256, depth=6, heads=4, hidden=704, kinds=kinds, window=256, sinks=64)
    return tiny_with("factored-tiny", trunk)
