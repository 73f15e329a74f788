"""palm-8b: the PaLM of 8B parameters, over the few texts that stand here (see `palm_sizes`).

    python -m opengato.recipes.palm_sizes         # its parameters beside the published count
    opengato train palm-8b --dry-run

Hardware: two H100s of 80 GB with `train.agent.backbone.recompute=true` (134 GiB as estimated, 159 without).
Expect: unknown. The 780 billion tokens of the paper are not public, and nobody has trained this recipe.
"""

from __future__ import annotations

from opengato.recipes.palm_sizes import palm_run
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    return palm_run("palm-8b", "8B")
