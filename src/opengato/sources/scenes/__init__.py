"""Templated questions about composed scenes: synthetic pictures whose contents are known, made of real drawings.

One to six emoji on a plain or patterned ground, and a question that a template makes of what was put there
[Johnson et al. 2017, arXiv:1612.06890, whose scenes are rendered]. Within a template each answer is as frequent as any
other, so that no answer pays without a look.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.sources.emoji_sets import GOOGLE, NAMES
from opengato.sources.scenes.compose import Drawings, Scene, draw
from opengato.sources.scenes.templates import ANSWERED_BY_NAME, TEMPLATES

TRAIN, TEST = 8000, 150  # questions of a template; of each of the two parts of its test
SEED = 20
PARTS = ("train", "test", "new")


class Source(sources.Source):
    """`vqa/scenes-count` and so on, one task a template; `vqa/scenes-count-new` of things never seen in training."""

    card = sources.SourceCard(
        name="scenes",
        title="Templated questions about composed scenes (synthetic)",
        what=f"{TRAIN:,} questions of each of {len(TEMPLATES)} templates about pictures of 64x64 or 96x96 with 1 to 6 "
        "emoji on plain and patterned grounds; answers balanced",
        tasks=(
            *(f"vqa/scenes-{name}" for name in TEMPLATES),
            *(f"vqa/scenes-{name}-new" for name in TEMPLATES if name not in ANSWERED_BY_NAME),
        ),
        licence="drawings Apache-2.0 (Noto, Google); names MIT (emojibase); composed by opengato",
        split=f"{TEST} other scenes of known things a template, and {TEST} (`-new`) of things whose concept is held "
        "out, as in `emoji`; what asks for a name has no `-new`, since nobody can say a name never heard",
        packages=(GOOGLE, NAMES),
        synthetic=True,
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        drawings = {part: Drawings(roots[GOOGLE.name], roots[NAMES.name], part == "new") for part in PARTS}
        for part in PARTS:
            for number, (name, template) in enumerate(TEMPLATES.items()):
                if part == "new" and name in ANSWERED_BY_NAME:
                    continue
                for index in range(TRAIN if part == "train" else TEST):
                    generator = np.random.default_rng((SEED, PARTS.index(part), number, index))
                    scene, question, answer = template(generator, drawings[part].names, index)
                    task = f"vqa/scenes-{name}{'-new' * (part == 'new')}"
                    yield (
                        "train" if part == "train" else "test",
                        self._episode(task, drawings[part], scene, question, answer, generator),
                    )

    def _episode(
        self,
        task: str,
        drawings: Drawings,
        scene: Scene,
        question: str,
        answer: str,
        generator: np.random.Generator,
    ) -> Episode:
        return document(
            task,
            answer,
            image=draw(scene, drawings, generator),
            instruction=question,
            source=self.card.name,
            things=[asdict(thing) for thing in scene.things],
        )
