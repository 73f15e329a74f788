"""palm-tiny: the run of `tiny` with PaLM's decoder in place of Gato's, and its z-loss.

    opengato train palm-tiny

Its feed-forward is wider, as keys of one head leave room: both trunks have 4.82M parameters. Hardware: as `tiny`.
Expect: unknown; nobody has trained it yet.
"""

from __future__ import annotations

import dataclasses

from opengato.backbones import palm
from opengato.recipes.trunks import tiny_with
from opengato.train.run import Recipe


def recipe() -> Recipe:
    """The whole run."""
    trunk = palm.Config(width=256, depth=6, heads=4, head_width=64, hidden=832, window=256, sinks=64)
    run = tiny_with("palm-tiny", trunk)
    objective = dataclasses.replace(run.train.objective, z=1e-4)
    return dataclasses.replace(run, train=dataclasses.replace(run.train, objective=objective))
