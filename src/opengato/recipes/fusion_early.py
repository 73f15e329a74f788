"""fusion-early: captions, retrieval and drawing by one small network; patches go straight into the trunk.

    opengato train fusion-early

Hardware: 2 CPU cores, 4 GB of memory. Imports the corpora (the largest in 2 minutes) and trains on rows of 256
positions. To be compared with `fusion-late`, which computes as much: `opengato study fusion`. Not trained and scored
yet: see docs/results.md.
"""

from __future__ import annotations

from opengato.recipes import fusion
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    return fusion.run_of("early")
