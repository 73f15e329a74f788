"""parallel-tiny: `tiny` trained on one task a step, with adapters of each task and each modality.

    opengato train parallel-tiny

Hardware: that of `tiny`, whose data it reads; about its time. Not trained and scored yet: see
docs/ideas.md.
"""

from __future__ import annotations

from opengato.recipes import ideas
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    return ideas.parallel()
