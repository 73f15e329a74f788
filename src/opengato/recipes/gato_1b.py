"""gato-1b: the Gato of the paper with its 1.18B parameters, over the data that stand here (see `gato`).

    opengato train gato-1b
    opengato train gato-1b train.steps=3        # to see that it runs

Hardware: one GPU of 40 GiB or more; 37 GiB as estimated (`opengato doctor gato-1b`), 21 with
`train.agent.backbone.recompute=true`. The paper's run took a 16 x 16 slice of TPU v3 about four days.
Expect: unknown. The paper's data are not public, and nobody has trained this recipe to its end.
"""

from __future__ import annotations

from opengato.recipes.gato import gato
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    return gato("gato-1b", "1.18B")
