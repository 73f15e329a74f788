"""A small agent for episodes of your own, in the shape of what they hold.

    opengato train data/mine

Every kind of observation and action that the store holds gets a modality with room for the largest of it: arrays in one
position each (the `vector` encoding of `tiny`), pictures as patches, one position for a continuous action. A network of
about a million parameters, from new weights: minutes on two CPU cores. `opengato finetune` starts from a trained one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opengato.agent import model
from opengato.backbones import decoder
from opengato.core.episode import ArraySpec, specs_from_json
from opengato.data.loader import LoaderConfig
from opengato.data.store import read_manifest
from opengato.modalities import image, text
from opengato.modalities.continuous import action, vector
from opengato.modalities.discrete import tokens
from opengato.modalities.discrete import vector as cells
from opengato.objectives import next_token
from opengato.train import loop, optim
from opengato.train.run import Recipe

CONTEXT = 256
MOST_CELL_VALUES = 255  # of the modality that reads an array in one position
PATCHES, WORDS = 16, 32  # positions of a picture at most, and of a short text


def recipe_of(folder: Path) -> Recipe:
    """The whole run; ValueError for a store without episodes."""
    sets = [specs_from_json(specs) for specs in read_manifest(folder)["specs"]]
    if not sets:
        raise ValueError(f"the store {str(folder)!r} holds no episodes yet; record or collect some first")
    seen = [spec for observations, _ in sets for spec in observations.values()]
    done = [spec for _, actions in sets for spec in actions.values()]
    source = folder.resolve().name
    pictures = any(spec.kind == "image" for spec in seen)
    return Recipe(
        name=str(folder),
        train=loop.Config(
            agent=agent(seen, done), objective=next_token.Config(), optim=optim.Config(warmup=20), steps=500
        ),
        weights={source: 1.0},
        stores={source: str(folder)},
        loader=LoaderConfig(groups=1, workers=int(pictures)),
        rows_per_group=8,
    )


def agent(seen: list[ArraySpec], done: list[ArraySpec]) -> model.Config:
    """Modalities and routes for the kinds of what is seen and done, each with room for the largest."""
    modalities: dict[str, Any] = {"text": text.Config()}
    routes = {"instruction": "text"}
    for side, specs in (("observation", seen), ("action", done)):
        for kind in sorted({spec.kind for spec in specs}):
            of_kind = [spec for spec in specs if spec.kind == kind]
            name, config = _modality(side, kind, of_kind)
            routes[f"{side}/{kind}"] = name
            modalities.setdefault(name, config)
    local = sum({"image": PATCHES, "text": WORDS, "discrete": 4}.get(spec.kind, 1) for spec in seen)
    return model.Config(
        modalities=modalities,
        routes=routes,
        backbone=decoder.Config(width=128, depth=3, heads=4, hidden=352, window=128, sinks=32),
        context=CONTEXT,
        num_local=max(32, local),
    )


def _modality(side: str, kind: str, specs: list[ArraySpec]) -> tuple[str, Any]:
    """The name and the config of what reads, or writes, specs of one kind."""
    size = max(spec.size for spec in specs)
    if kind == "text":
        return "text", text.Config()
    if kind == "image":
        return "image", image.Config()
    if kind == "continuous":
        return ("state", vector.Config(size=size)) if side == "observation" else ("motion", action.Config(size=size))
    most = max(spec.num_values or 1 for spec in specs)
    if side == "action":
        return "choice", tokens.Config(num_values=most)
    if most > MOST_CELL_VALUES:
        return "ids", tokens.Config(num_values=most)
    channels = max(spec.shape[-1] if len(spec.shape) > 1 else 1 for spec in specs)
    room = max(spec.size // (spec.shape[-1] if len(spec.shape) > 1 else 1) for spec in specs)
    return "cells", cells.Config(cells=room, channels=channels, num_values=most)
