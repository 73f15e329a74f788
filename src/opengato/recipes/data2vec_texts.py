"""data2vec-texts: what news and novels say, from what is left of them.

    opengato train data2vec-texts
    opengato evaluate runs/data2vec-texts --tasks probe/topic-reuters

Hardware: 2 CPU cores, 4 GB of memory. Imports news, novels and plays; trains 3.5 million parameters.
A decoder of the same shape begins with its weights: `start=runs/data2vec-texts` (see `opengato study few-labels`).
Not trained and scored yet: see docs/self-supervised.md.
"""

from __future__ import annotations

from opengato.recipes.data2vec import small
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    return small("texts")
