"""maml-tiny: `tiny` that learns to learn a task by one step of gradient descent (MAML, second order).

    opengato train maml-tiny

Hardware: that of `tiny`, whose data it reads; by its passes about four times the time. Not trained and scored yet: see
docs/ideas.md.
"""

from __future__ import annotations

from opengato.objectives.meta import maml
from opengato.recipes import ideas
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    return ideas.learning_to_learn("maml-tiny", maml.Config(rows=ideas.ROWS))
