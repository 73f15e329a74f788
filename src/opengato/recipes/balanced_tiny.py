"""balanced-tiny: `tiny` with weights of its modalities that are learnt as uncertainty.

    opengato train balanced-tiny

Hardware: that of `tiny`, whose data it reads; about its time. Not trained and scored yet: see
docs/ideas.md.
"""

from __future__ import annotations

from opengato.recipes import ideas
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    return ideas.balanced()
