"""data2vec-text-large: data2vec Large for texts with the published settings, over the data that stand here.

    opengato train data2vec-text-large
    opengato train data2vec-text-large train.steps=3        # to see that it runs

Hardware: GPUs; `opengato doctor --plan data2vec-text-large --gpus 8` says how many hours.
Expect: unknown. The paper's data are not here, and nobody has trained this recipe to its end.
"""

from __future__ import annotations

from opengato.recipes.data2vec import as_published
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    return as_published("data2vec-text-large", "texts", "large")
