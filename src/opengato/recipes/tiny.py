"""tiny: one small network for 48 BabyAI levels, 36 Meta-World tasks, prose and picture captions.

    opengato train tiny

Hardware: 2 CPU cores, 5 GB of memory. Collects 204,000 episodes (6 minutes for BabyAI and 6 for Meta-World, the latter
beside other work), imports five corpora (the largest in 2 minutes) and trains 8000 steps: 76 minutes at the 0.57 s of a
step on free cores that multiply bfloat16 fast (AMX); the shipped run took 87 beside other work.
Expect, on unseen seeds: BabyAI 0.97 of the expert (one-room levels 0.97), Meta-World success 0.97; 1.55 bits per byte
of an unseen novel (xz: 2.59); the right caption of 16 in 0.21 of the cases (chance: 0.06).
"""

from __future__ import annotations

from opengato.agent import model
from opengato.backbones import decoder
from opengato.data.loader import LoaderConfig
from opengato.modalities import image, text
from opengato.modalities.continuous import action, vector
from opengato.modalities.discrete import tokens
from opengato.modalities.discrete import vector as cells
from opengato.objectives import next_token
from opengato.recipes.tiny_tasks import BABYAI_WEIGHTS, babyai_jobs, metaworld_jobs
from opengato.train import loop, optim
from opengato.train.run import Recipe


def agent() -> model.Config:
    """The `vector` encoding: one position an observation, one an action."""
    return model.Config(
        modalities={
            "text": text.Config(),
            "image": image.Config(),
            "cells": cells.Config(cells=50, channels=3, num_values=11, cell_width=24),
            "choice": tokens.Config(num_values=16),
            "state": vector.Config(size=40),
            "motion": action.Config(size=4, bins=128, remember=False),
        },
        routes={
            "instruction": "text",
            "observation/text": "text",
            "observation/image": "image",
            "observation/discrete": "cells",
            "observation/continuous": "state",
            "action/text": "text",
            "action/discrete": "choice",
            "action/continuous": "motion",
        },
        backbone=decoder.Config(width=256, depth=6, heads=4, hidden=704, window=256, sinks=64),
        context=256,
        num_local=32,
    )


def recipe() -> Recipe:
    """The whole run."""
    return Recipe(
        name="tiny",
        train=loop.Config(
            agent=agent(),
            objective=next_token.Config(weights={"text": 0.5, "choice": 2.0, "motion": 1.0}),
            optim=optim.Config(),
            steps=8000,
        ),
        weights={
            "babyai": 0.6,
            "metaworld": 0.16,
            "austen": 0.11,
            "shakespeare": 0.05,
            "openclipart": 0.03,
            "emoji": 0.025,
            "twemoji": 0.025,
        },
        task_weights={"babyai": BABYAI_WEIGHTS},
        collect={"babyai": babyai_jobs(), "metaworld": metaworld_jobs()},
        imports=("austen", "shakespeare", "openclipart", "emoji", "twemoji"),
        tasks={name: (f"caption/{name}",) for name in ("openclipart", "emoji", "twemoji")},
        loader=LoaderConfig(groups=2, workers=1),
        rows_per_group=8,
    )
