"""Early and late fusion: two small networks of the same parts for pictures, sounds and text, at equal compute.

Early: patches of pictures and of sounds go straight into the trunk. Late: an encoder for each sense reads a picture or
a sound by itself, both ways, before a shallower trunk joins it with the text. `python -m opengato.recipes.fusion`
prints what a step of each computes, `opengato study fusion` compares the recipes `fusion_early` and `fusion_late`.
"""

from __future__ import annotations

import io
from functools import partial

import numpy as np
import torch
from PIL import Image

from opengato.agent import model
from opengato.backbones import decoder
from opengato.core.config import plugins
from opengato.core.episode import document
from opengato.data.documents import Document
from opengato.data.loader import LoaderConfig
from opengato.data.packing import collate, pack
from opengato.data.rules import Rules
from opengato.modalities import audio, image, text
from opengato.modalities.audio import encoder as audio_encoder
from opengato.modalities.image import encoder as image_encoder
from opengato.modalities.image import tokens
from opengato.nn import contrast
from opengato.objectives import next_token, pairing
from opengato.sources import pictures
from opengato.train import loop, optim
from opengato.train.compute import training_flops
from opengato.train.run import Recipe

PICTURES = {"emoji": 0.25, "twemoji": 0.25, "openclipart": 0.3}
TEXTS = {"austen": 0.12, "shakespeare": 0.08}
SOUNDS = {name: 0.3 for name in ("asterisk",) if name in plugins("sources")}
DEPTH = {"early": 6, "late": 4}  # blocks of the trunk
ENCODER_DEPTH, HIDDEN = 2, 704
# A step of `late` computes less, so it takes more of them: the whole runs compute the same, which a test holds.
STEPS = {"early": 2000, "late": 2299}
ROWS, CONTEXT = 16, 256


def agent(fusion: str) -> model.Config:
    """`early` or `late`; both read pictures, sounds and text, write text, draw, and have a head for retrieval."""
    late = partial(dict, depth=ENCODER_DEPTH, heads=4, hidden=HIDDEN)
    is_late = fusion == "late"
    return model.Config(
        modalities={
            "text": text.Config(),
            "image": image_encoder.Config(**late()) if is_late else image.Config(),
            "sound": audio_encoder.Config(**late()) if is_late else audio.Config(),
            "ids": tokens.Config(),
        },
        routes={
            "instruction": "text",
            "observation/text": "text",
            "observation/image": "image",
            "observation/audio": "sound",
            "action/text": "text",
            "action/image": "ids",
        },
        backbone=decoder.Config(width=256, depth=DEPTH[fusion], heads=4, hidden=HIDDEN, window=CONTEXT, sinks=64),
        context=CONTEXT,
        num_local=64,
        contrast=contrast.Config(size=128),
    )


def run_of(fusion: str) -> Recipe:
    """The whole run."""
    seen = {**PICTURES, **SOUNDS}
    return Recipe(
        name=f"fusion-{fusion}",
        train=loop.Config(
            agent=agent(fusion),
            objective=next_token.Config(weights={"ids": 0.5}, beside={"pairs": pairing.Config(weight=0.5)}),
            optim=optim.Config(),
            steps=STEPS[fusion],
        ),
        weights={**seen, **TEXTS},
        imports=(*seen, *TEXTS),
        rules={name: Rules(pairs_apart=0.4, drawn=0.2 if name in PICTURES else 0.0) for name in seen},
        loader=LoaderConfig(groups=1, workers=1),
        rows_per_group=ROWS,
    )


def step_flops(fusion: str) -> int:
    """Of a step whose rows hold captioned pictures of 64 x 64 pixels, as many as fit, and nothing else."""
    made = agent(fusion).build()
    stream = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), 255, np.uint8)).save(stream, "PNG")
    shown = document("caption/any", "red panda", image=stream.getvalue(), instruction=pictures.INSTRUCTION)
    sequence = made.serializer.episode(shown)
    row = [Document(sequence=sequence, source=0, episode=0)] * (CONTEXT // len(sequence))
    return ROWS * training_flops(made, collate([pack([row], CONTEXT)]))


def compute() -> list[str]:
    """A line for each: parameters, operations of a step, steps, operations of the run."""
    lines = []
    for fusion, steps in STEPS.items():
        torch.manual_seed(0)
        flops, parameters = step_flops(fusion), agent(fusion).build().num_parameters
        lines.append(
            f"{fusion}: {parameters / 1e6:.2f}M parameters, {flops / 1e9:.2f} GFLOP a step of {ROWS} rows, "
            f"{steps} steps, {flops * steps / 1e15:.4f} PFLOP"
        )
    return lines


if __name__ == "__main__":
    print("\n".join(compute()))
