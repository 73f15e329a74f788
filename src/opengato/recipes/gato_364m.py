"""gato-364m: the Gato of the paper with its 364M parameters, over the data that stand here (see `gato`).

    opengato train gato-364m
    opengato train gato-364m train.steps=3        # to see that it runs

Hardware: one GPU of 24 GiB or more; 15 GiB as estimated (`opengato doctor gato-364m`), 9 with
`train.agent.backbone.recompute=true`.
Expect: unknown. The paper's data are not public, and nobody has trained this recipe to its end.
"""

from __future__ import annotations

from opengato.recipes.gato import gato
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    return gato("gato-364m", "364M")
