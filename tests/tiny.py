"""Agents small enough for a test, in all encodings, and episodes with every kind of field.

Letters: S steps.
"""

from __future__ import annotations

import io
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from opengato.agent import model
from opengato.agent.model import Agent
from opengato.backbones import decoder, encoder
from opengato.core.episode import ArraySpec, Episode, document, objects
from opengato.core.sequence import TokenSequence
from opengato.core.serialize import Serializer
from opengato.modalities import audio, image, shared, text, video
from opengato.modalities.continuous import action, vector
from opengato.modalities.continuous import tokens as numbers
from opengato.modalities.discrete import tokens as ids
from opengato.modalities.discrete import vector as cells
from opengato.recipes import gato_tokens

PATCH = 4
OBSERVATION = {
    "view": ArraySpec(name="toy/view", kind="discrete", num_values=9, shape=(2, 2), dtype="uint8"),
    "joint": ArraySpec(name="toy/joint", kind="continuous", shape=(3,)),
    "arm": ArraySpec(name="toy/arm", kind="continuous", shape=(2,), low=-1, high=1),
    "camera": ArraySpec(name="toy/camera", kind="image", shape=(PATCH, 2 * PATCH, 3), dtype="uint8"),
    "note": ArraySpec(name="toy/note", kind="text", dtype="str"),
}
ACTION = {
    "move": ArraySpec(name="toy/move", kind="discrete", num_values=5, dtype="int64"),
    "force": ArraySpec(name="toy/force", kind="continuous", shape=(2,), low=-0.5, high=2.0),
}


def trunk(window: int = 48, sinks: int = 8) -> decoder.Config:
    return decoder.Config(width=32, depth=2, heads=4, hidden=48, window=window, sinks=sinks)


def vector_config(window: int = 48, sinks: int = 8) -> model.Config:
    """One position an observation array, one an action."""
    return model.Config(
        modalities={
            "text": text.Config(),
            "image": image.Config(patch=PATCH, max_side=4 * PATCH),
            "cells": cells.Config(cells=12, channels=3, num_values=16, cell_width=6),
            "choice": ids.Config(num_values=16),
            "state": vector.Config(size=8),
            "motion": action.Config(size=3, bins=32),
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
        backbone=trunk(window, sinks),
        context=64,
        num_local=16,
    )


def sensing_config() -> model.Config:
    """The same, with a sense for sounds and one for films."""
    config = vector_config()
    film = video.Config(frames=2, patch=PATCH, max_side=4 * PATCH, most_frames=4)
    return replace(
        config,
        modalities={**config.modalities, "sound": audio.Config(), "film": film},
        routes={**config.routes, "observation/audio": "sound", "observation/video": "film"},
    )


def token_config(window: int = 48, sinks: int = 8) -> model.Config:
    """One position a number, a table for each kind, and a separator before the action."""
    return model.Config(
        modalities={
            "text": text.Config(),
            "image": image.Config(patch=PATCH, max_side=4 * PATCH),
            "discrete": ids.Config(num_values=24),
            "continuous": numbers.Config(bins=256),
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
        backbone=trunk(window, sinks),
        context=64,
        num_local=16,
    )


def shared_config(window: int = 48, sinks: int = 8) -> model.Config:
    """Gato's encoding: as `token_config`, but all ids are in one table."""
    text_ids, discrete_ids, bins = 4100, 24, 256
    tokens = shared.Config(
        parts={
            "text": text.Config(),
            "discrete": ids.Config(num_values=discrete_ids, separator=False),
            "continuous": numbers.Config(bins=bins),
        },
        offsets={"text": 0, "discrete": text_ids, "continuous": text_ids + discrete_ids},
        separator=text_ids + discrete_ids + bins,
        num_ids=text_ids + discrete_ids + bins + 1,
    )
    return model.Config(
        modalities={"tokens": tokens, "image": image.Config(patch=PATCH, max_side=4 * PATCH)},
        routes=gato_tokens.ROUTES,
        backbone=trunk(window, sinks),
        context=64,
        num_local=16,
    )


ENCODINGS = {"vector": vector_config, "tokens": token_config, "shared": shared_config}


def serializer(encoding: str) -> Serializer:
    return ENCODINGS[encoding]().serializer()


def sharpen(module: nn.Module, seed: int = 0) -> None:
    """Large weights in place: at initialisation attention is nearly uniform, and a wrong mask or angle hardly shows."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if parameter.ndim == 2:
            nn.init.normal_(parameter, std=1.5 / parameter.shape[1] ** 0.5, generator=generator)


def tiny_agent(encoding: str = "vector", *, window: int = 48, sinks: int = 8, seed: int = 0, **parts: Any) -> Agent:
    """An agent of random, sharp weights; `parts` are further fields of its config."""
    torch.manual_seed(seed)
    agent = replace(ENCODINGS[encoding](window, sinks), **parts).build()
    sharpen(agent.backbone, seed)
    return agent.eval()


def tiny_encoder(seed: int = 0, depth: int = 2, contrast: Any = None) -> Agent:
    """The same with a trunk that sees both ways."""
    torch.manual_seed(seed)
    trunk = encoder.Config(width=32, depth=depth, heads=4, hidden=48)
    agent = replace(vector_config(), backbone=trunk, contrast=contrast).build()
    sharpen(agent.backbone, seed)
    return agent.eval()


def toy_values(generator: np.random.Generator) -> dict[str, Any]:
    """One step's observation."""
    note = "beep " * int(generator.integers(1, 3)) + str(generator.integers(10))
    return {
        "view": generator.integers(0, 9, (2, 2)).astype(np.uint8),
        "joint": generator.standard_normal(3).astype(np.float32) * 3,
        "arm": generator.uniform(-1, 1, 2).astype(np.float32),
        "camera": generator.integers(0, 256, (PATCH, 2 * PATCH, 3)).astype(np.uint8),
        "note": note,
    }


def toy_episode(seed: int = 0, steps: int = 4, instruction: str = "go on") -> Episode:
    """Every kind of observation, two arrays of one kind, two actions; notes of different lengths."""
    generator = np.random.default_rng(seed)
    seen = [toy_values(generator) for _ in range(steps)]
    observations = {name: np.stack([step[name] for step in seen]) for name in OBSERVATION if name != "note"}
    observations["note"] = objects([step["note"] for step in seen])
    return Episode(
        task="toy/task",
        instruction=instruction,
        observation_specs=OBSERVATION,
        action_specs=ACTION,
        observations=observations,
        actions={
            "move": generator.integers(0, 5, steps),
            "force": generator.uniform(-0.5, 2, (steps, 2)).astype(np.float32),
        },
        rewards=np.zeros(steps, np.float32),
    ).validate()


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def caption_episode(seed: int = 0, caption: str = "red panda", side: int = 2 * PATCH) -> Episode:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)
    return document("caption/toy", caption, image=png(pixels), instruction="describe the picture").validate()


def documents_of_all_kinds() -> list[Episode]:
    """Control, captioned pictures and plain text, of different lengths."""
    return [
        toy_episode(0, steps=2),
        caption_episode(1),
        document("text/toy", "It is a truth universally acknowledged"),
        toy_episode(2, steps=1, instruction="stop"),
        caption_episode(3, "a very blue whale", side=3 * PATCH),
    ]


def assert_same_sequence(received: TokenSequence, expected: TokenSequence) -> None:
    for field in fields(TokenSequence):
        mine, theirs = getattr(received, field.name), getattr(expected, field.name)
        if field.name == "payload":
            assert {name for name in mine if len(mine[name])} == {name for name in theirs if len(theirs[name])}
            pairs = [(mine[name], theirs[name]) for name in mine if len(mine[name])]
        else:
            pairs = [(np.asarray(mine), np.asarray(theirs))]
        for a, b in pairs:
            assert a.dtype == b.dtype, field.name
            np.testing.assert_array_equal(a, b, err_msg=field.name)
