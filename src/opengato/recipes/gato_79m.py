"""gato-79m: the Gato of the paper with its 79M parameters, over the data that stand here (see `gato`).

    opengato train gato-79m
    opengato train gato-79m train.steps=3        # to see that it runs

Hardware: one GPU of 8 GiB or more; 6.2 GiB as estimated (`opengato doctor gato-79m`), 4.4 with
`train.agent.backbone.recompute=true`.
Expect: unknown. The paper's data are not public, and nobody has trained this recipe to its end.
"""

from __future__ import annotations

from opengato.recipes.gato import gato
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    return gato("gato-79m", "79M")
