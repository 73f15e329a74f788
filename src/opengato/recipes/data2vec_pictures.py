"""data2vec-pictures: what handwritten digits look like, without their labels.

    opengato train data2vec-pictures
    opengato evaluate runs/data2vec-pictures --tasks probe/label-mnist

Hardware: 2 CPU cores, 4 GB of memory. Imports 4,000 digits of MNIST; trains 3.5 million parameters.
A decoder of the same shape begins with its weights: `start=runs/data2vec-pictures` (see `opengato study few-labels`).
Not trained and scored yet: see docs/self-supervised.md.
"""

from __future__ import annotations

from opengato.recipes.data2vec import small
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    return small("pictures")
