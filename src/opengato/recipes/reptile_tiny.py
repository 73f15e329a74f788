"""reptile-tiny: `tiny` that learns to learn a task by a few steps of gradient descent (Reptile).

    opengato train reptile-tiny

Hardware: that of `tiny`, whose data it reads; by its passes about three times the time. Not trained and scored yet: see
docs/ideas.md.
"""

from __future__ import annotations

from opengato.objectives.meta import reptile
from opengato.recipes import ideas
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    return ideas.learning_to_learn("reptile-tiny", reptile.Config(rows=ideas.ROWS))
