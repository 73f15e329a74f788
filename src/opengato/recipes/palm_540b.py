"""palm-540b: the PaLM of 540B parameters, over the few texts that stand here (see `palm_sizes`).

    python -m opengato.recipes.palm_sizes         # its parameters beside the published count
    opengato train palm-540b --dry-run

Hardware: 128 H100s of 80 GB at least (8.6 TB of weights, gradients and moments).
Expect: unknown. The 780 billion tokens of the paper are not public, and nobody has trained this recipe.
"""

from __future__ import annotations

from opengato.recipes.palm_sizes import palm_run
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    return palm_run("palm-540b", "540B")
