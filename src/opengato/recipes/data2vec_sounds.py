"""data2vec-sounds: how instruments, noises and voices sound, without their names.

    opengato train data2vec-sounds
    opengato evaluate runs/data2vec-sounds --tasks probe/sound-freepats,probe/sound-sonicpi

Hardware: 2 CPU cores, 4 GB of memory. Imports notes, noises and spoken prompts; trains 3.5 million parameters.
A decoder of the same shape begins with its weights: `start=runs/data2vec-sounds` (see `opengato study few-labels`).
Not trained and scored yet: see docs/self-supervised.md.
"""

from __future__ import annotations

from opengato.recipes.data2vec import small
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    return small("sounds")
