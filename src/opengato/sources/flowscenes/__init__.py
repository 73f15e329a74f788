"""Pairs of frames with exact optical flow: cut-outs that move over a photograph that moves, too.

After FlyingChairs [Fischer et al. 2015, arXiv:1504.06852, sec. 4]. Letters: H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from opengato import sources
from opengato.core.episode import MEDIA_SPECS, ArraySpec, Episode, objects
from opengato.core.picture import opened
from opengato.sources import pictures
from opengato.sources.moving import as_png, cut_out, draw, flow_between, placed
from opengato.sources.photographs import PHOTOGRAPHS, photographs
from opengato.sources.tuxpaint_stamps import LICENCE, STAMPS, stamps

SIZE = (96, 128)
LARGEST, FASTEST = 56, 64.0  # pixels of a cut-out at scale 1; of any motion that can be
QUESTION = "how does each pixel move from the first picture to the second?"
SPECS = {
    "flow": ArraySpec(
        name="flow",
        kind="continuous",
        shape=(*SIZE, 2),
        low=-FASTEST,
        high=FASTEST,
        meaning="pixels to the right and down that what is seen here moves until the second picture",
    ),
    "seen": ArraySpec(
        name="seen",
        kind="discrete",
        shape=SIZE,
        num_values=2,
        dtype="uint8",
        meaning="1 where what is seen here is seen in the second picture, 0 where it is hidden or outside",
    ),
}


class Source(sources.Source):
    """`flow/flowscenes`: two pictures as observation, flow and what stays in sight as action."""

    items: ClassVar[Mapping[sources.Split, int]] = {"train": 600, "test": 60}
    card = sources.SourceCard(
        name="flowscenes",
        title="Composed scenes with exact optical flow",
        what="pairs of pictures of 128x96 in which one to four cut-outs of Tux Paint's stamps, and the photograph "
        "behind them, are shifted, turned and scaled; the flow of each pixel is computed, not measured; 600 pairs to "
        "learn from, 60 held out",
        tasks=("flow/flowscenes",),
        licence=f"stamps {LICENCE}; photographs GPL-2+ (MATE)",
        split="by cut-out (`pictures.concept`) and by photograph",
        packages=(STAMPS, PHOTOGRAPHS),
        synthetic=True,
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        cutouts: dict[sources.Split, list[np.ndarray]] = {"train": [], "test": []}
        for stamp in stamps(roots[STAMPS.name], "flowscenes"):
            if stamp.picture.suffix == ".png":
                cutout = cut_out(opened(stamp.picture), LARGEST)
                if cutout is not None:
                    cutouts[sources.split_of(pictures.concept(stamp.captions["en"]))].append(cutout)
        if not all(cutouts.values()):
            found = {split: len(shapes) for split, shapes in cutouts.items()}
            raise ValueError(f"source 'flowscenes': expected cut-outs for each split, found {found}")
        grounds = photographs(roots[PHOTOGRAPHS.name], "flowscenes", shorter=SIZE[0] + 32)
        for split, count in self.items.items():
            for index in range(count):
                generator = np.random.default_rng((split == "test", index))
                yield split, scene(grounds[split], cutouts[split], generator)


def scene(grounds: list[np.ndarray], cutouts: list[np.ndarray], generator: np.random.Generator) -> Episode:
    """One pair of pictures."""
    ground = grounds[int(generator.integers(len(grounds)))]
    chosen = [cutouts[i] for i in generator.integers(len(cutouts), size=int(generator.integers(1, 5)))]
    middle = placed((SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2)
    first = [middle] + [
        placed(
            generator.uniform(0, SIZE[1]),
            generator.uniform(0, SIZE[0]),
            turn=generator.uniform(-0.5, 0.5),
            scale=generator.uniform(0.5, 1),
        )
        for _ in chosen
    ]
    # The photograph moves less than the things before it, as in a film taken by hand.
    second = [before @ step(generator, reach=3 if k == 0 else 10) for k, before in enumerate(first)]
    (before, owner_HW), (after, next_owner_HW) = (draw(ground, chosen, places, SIZE) for places in (first, second))
    flow, seen_HW = flow_between(first, second, owner_HW, next_owner_HW)
    seen = {"first": before, "second": after}
    return Episode(
        task="flow/flowscenes",
        instruction=QUESTION,
        observation_specs=dict.fromkeys(seen, MEDIA_SPECS["image"]),
        action_specs=SPECS,
        observations={name: objects([as_png(picture)]) for name, picture in seen.items()},
        actions={"flow": flow[None], "seen": seen_HW[None].astype(np.uint8)},
        rewards=np.zeros(1, np.float32),
        provenance={"source": "flowscenes", "cutouts": len(chosen)},
    )


def step(generator: np.random.Generator, reach: float) -> np.ndarray:
    """A small motion about a cut-out's own middle: up to `reach` pixels either way, a few degrees, a little larger."""
    x, y = generator.uniform(-reach, reach, 2)
    turn = generator.uniform(-1, 1) * math.radians(1.5 * reach)
    return placed(x, y, turn=turn, scale=1 + generator.uniform(-0.015, 0.015) * reach)
