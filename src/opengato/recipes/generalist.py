"""generalist: every control task that has an expert, and the senses, in one network.

    opengato train generalist

Hardware: 2 CPU cores. Collects 384,000 episodes of 389 tasks in twelve families (about an hour, by what episodes cost
when the experts were measured: plans and look-ahead are dear), imports 23 corpora, and takes 10,000 steps of 4096
positions. Not trained and scored yet: see docs/log.md.
"""

from __future__ import annotations

from opengato.agent import model
from opengato.backbones import decoder
from opengato.data.loader import LoaderConfig
from opengato.data.rules import Rules
from opengato.modalities import text
from opengato.modalities.audio import encoder as audio
from opengato.modalities.continuous import action, vector
from opengato.modalities.discrete import tokens
from opengato.modalities.discrete import vector as cells
from opengato.modalities.image import convolved as image
from opengato.modalities.video import encoder as video
from opengato.nn.ctc import Config as CtcConfig
from opengato.objectives import next_token, spelling
from opengato.recipes import senses
from opengato.recipes.generalist_tasks import BABYAI_WEIGHTS_OF_ALL, COLLECT
from opengato.train import loop, optim
from opengato.train.run import Recipe

CONTEXT = 256
# Shares of positions. Families with pictures need many positions a step; grids are solved by many episodes.
CONTROL = {
    "atari": 0.04,
    "babyai": 0.22,
    "bodies": 0.03,
    "classic": 0.03,
    "dmc": 0.1,
    "maze3d": 0.06,
    "metaworld": 0.08,
    "minigrid": 0.06,
    "mujoco": 0.03,
    "procgen": 0.06,
    "robotics": 0.03,
    "sokoban": 0.06,
}
SENSES = 0.2


def agent() -> model.Config:
    """One position an observation of numbers or cells, one an action, a few a picture."""
    return model.Config(
        modalities={
            "text": text.Config(tokenizer="senses.model"),
            "image": image.Config(patch=32, max_side=96, channels=(32, 64, 96, 128, 192)),
            "sound": audio.Config(),
            "film": video.Config(frames=2),
            "cells": cells.Config(cells=100, channels=3, num_values=32, cell_width=24),
            "choice": tokens.Config(num_values=24),
            "state": vector.Config(size=352),
            "motion": action.Config(size=20, bins=128, remember=False),
        },
        routes={
            "instruction": "text",
            "observation/text": "text",
            "observation/image": "image",
            "observation/audio": "sound",
            "observation/video": "film",
            "observation/discrete": "cells",
            "observation/continuous": "state",
            "action/text": "text",
            "action/discrete": "choice",
            "action/continuous": "motion",
        },
        backbone=decoder.Config(width=256, depth=8, heads=4, hidden=704, window=CONTEXT, sinks=64),
        context=CONTEXT,
        num_local=64,
        ctc=CtcConfig(),
    )


def recipe() -> Recipe:
    """The whole run."""
    sensed = senses.recipe()
    share = SENSES / sum(sensed.weights.values())
    return Recipe(
        name="generalist",
        train=loop.Config(
            agent=agent(),
            objective=next_token.Config(
                weights={"choice": 2.0}, balance=0.7, beside={"spelling": spelling.Config(weight=0.3)}
            ),
            optim=optim.Config(),
            steps=10_000,
        ),
        weights={**CONTROL, **{name: share * weight for name, weight in sensed.weights.items()}},
        collect=COLLECT,
        imports=sensed.imports,
        task_weights={**sensed.task_weights, "babyai": BABYAI_WEIGHTS_OF_ALL},
        rules={**sensed.rules, **dict.fromkeys(CONTROL, Rules())},
        loader=LoaderConfig(groups=2, workers=1),
        rows_per_group=8,
    )
