"""tiny-tokens: the recipe `tiny` in Gato's own encoding, every number a token, to compare the two encodings.

    opengato train tiny-tokens

A BabyAI step takes 152 positions here and 2 in `tiny`, a Meta-World step 44 and 2: the context of 1024 positions holds
6 and 23 steps. Hardware: as `tiny`, with about four times the time for the same number of steps seen. Not trained and
scored yet: see docs/results.md.
"""

from __future__ import annotations

import dataclasses

from opengato.agent import model
from opengato.backbones import decoder
from opengato.data.loader import LoaderConfig
from opengato.modalities import image, text
from opengato.modalities.continuous import tokens as continuous
from opengato.modalities.discrete import tokens as discrete
from opengato.objectives import next_token
from opengato.recipes import tiny
from opengato.train.run import Recipe


def agent() -> model.Config:
    """The `tokens` encoding, with a separator between observation and action [Reed et al. 2022, sec. 2.1]."""
    return model.Config(
        modalities={
            "text": text.Config(),
            "image": image.Config(),
            "discrete": discrete.Config(num_values=1024),
            "continuous": continuous.Config(bins=1024),
        },
        routes={
            "instruction": "text",
            "observation/text": "text",
            "observation/image": "image",
            "observation/discrete": "discrete",
            "observation/continuous": "continuous",
            "separator": "discrete",
            "action/text": "text",
            "action/discrete": "discrete",
            "action/continuous": "continuous",
        },
        backbone=decoder.Config(width=256, depth=6, heads=4, hidden=704, window=1024, sinks=64),
        context=1024,
        num_local=256,
    )


def recipe() -> Recipe:
    """The run of `tiny` with this agent."""
    base = tiny.recipe()
    train = dataclasses.replace(base.train, agent=agent(), objective=next_token.Config())
    return dataclasses.replace(
        base,
        name="tiny-tokens",
        collected="tiny",
        train=train,
        loader=LoaderConfig(groups=2, workers=1),
        rows_per_group=2,
    )
