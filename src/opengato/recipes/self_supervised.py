"""Studies of learning without labels: what matters in data2vec, and what its weights are worth where labels are few.

opengato study self-supervised              # pictures; -sounds and -texts are the others
opengato study few-labels                   # pictures; needs runs/data2vec-pictures
opengato study vatt                         # rows dropped or not, one trunk or three
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from opengato.backbones import decoder
from opengato.data.rules import Rules
from opengato.evaluators.study import Study, Variant
from opengato.objectives import masked, next_token
from opengato.objectives.data2vec.regression import Guard
from opengato.objectives.data2vec.teacher import Ema
from opengato.objectives.hiding import Hiding
from opengato.recipes import vatt
from opengato.recipes.data2vec import (
    CONTEXT,
    DEPTH,
    EMA,
    HEADS,
    HIDDEN,
    PROBES,
    STEPS,
    WIDTH,
    Sense,
    efficient_objective,
    objective,
    small,
)
from opengato.train import optim
from opengato.train.run import Recipe

UNWATCHED = Guard(after=STEPS + 1)  # a variant that collapses is to be measured all the same
LABELLED: dict[Sense, tuple[str, str]] = {
    "pictures": ("mnist", "label/mnist"),
    "sounds": ("freepats", "sound/freepats"),
    "texts": ("reuters", "topic/reuters"),
}
SHARES = (0.01, 0.1, 1.0)
FEW_STEPS = 400


def variant(sense: Sense, name: str, steps: int = STEPS, **changes: Any) -> Variant:
    """A run of data2vec with changes of its objective."""
    changed = dataclasses.replace(objective(sense), guard=UNWATCHED, **changes)
    return of(sense, name, changed, steps)


def of(sense: Sense, name: str, trained_for: Any, steps: int = STEPS) -> Variant:
    """A run for another objective."""
    recipe = small(sense)
    train = dataclasses.replace(recipe.train, objective=trained_for, steps=steps)
    return Variant(name=name, recipe=dataclasses.replace(recipe, train=train), group=name)


def ablations(sense: Sense) -> Study:
    """Probes of networks that learnt without labels, each in another way, beside one that learnt nothing."""
    base = objective(sense)
    teaching = partial(dataclasses.replace, base.teaching)
    variants = [
        variant(sense, "untrained", steps=0),
        variant(sense, "data2vec"),
        variant(sense, "top-block", teaching=teaching(top=1)),
        variant(sense, "attention", teaching=teaching(target="attention")),
        variant(sense, "end-of-block", teaching=teaching(target="stream")),
        variant(sense, "not-normalised", teaching=teaching(norm="none")),
        variant(sense, "hasty-teacher", teaching=teaching(ema=Ema(start=0.5, end=0.5, steps=0))),
        of(sense, "efficient", dataclasses.replace(efficient_objective(sense), guard=UNWATCHED), STEPS // 3),
    ]
    if sense == "texts":
        told = masked.Config(hiding=Hiding(masks=dict(base.hiding.masks)))
        variants.append(of(sense, "masked", told))
    name = "self-supervised" if sense == "pictures" else f"self-supervised-{sense}"
    notes = (
        f"a teacher keeps {EMA.start} to {EMA.end} of itself in a step, a hasty one 0.5",
        f"`efficient` is data2vec 2.0; it takes {STEPS // 3} steps of 4 masks each, the others {STEPS} of one",
    )
    return Study(name=name, variants=tuple(variants), tasks=PROBES[sense], notes=notes)


def few_labels(sense: Sense) -> Study:
    """Decoders that learn to name what they see, with 1, 10 and 100 % of the labels, from scratch and from data2vec."""
    source, task = LABELLED[sense]
    starts = {"scratch": None, "data2vec": f"runs/data2vec-{sense}"}
    variants = tuple(
        Variant(name=f"{name}-{share * 100:g}", recipe=named(sense, share, start), group=name, x=share)
        for (name, start), share in itertools.product(starts.items(), SHARES)
    )
    return Study(
        name="few-labels" if sense == "pictures" else f"few-labels-{sense}",
        variants=variants,
        tasks=task,
        x_name=f"share of the labels of {source}",
        notes=(f"`data2vec` begins with runs/data2vec-{sense}: opengato train data2vec-{sense}",),
    )


def named(sense: Sense, share: float, start: str | None) -> Recipe:
    """A decoder of the encoder's shape that is trained to write labels, of which it has a share."""
    recipe, (source, _) = small(sense), LABELLED[sense]
    trunk = decoder.Config(width=WIDTH, depth=DEPTH, heads=HEADS, hidden=HIDDEN, window=CONTEXT)
    return dataclasses.replace(
        recipe,
        name=f"few-labels-{sense}",
        train=dataclasses.replace(
            recipe.train,
            agent=dataclasses.replace(recipe.train.agent, backbone=trunk),
            objective=next_token.Config(),
            optim=optim.Config(learning_rate=1e-3, matrix_learning_rate=None, warmup=40),
            steps=FEW_STEPS,
        ),
        weights={source: 1.0},
        imports=(source,),
        rules={source: Rules(share=share)},
        start=start,
    )


def senses() -> Study:
    """VATT with rows dropped or not, and with one trunk for all senses or one for each."""
    made = {f"drop-{drop * 100:g}": vatt.run_of(drop=drop) for drop in (0.0, 0.5, 0.75)}
    made["trunk-for-each"] = vatt.run_of(agnostic=False)
    untrained = vatt.run_of()
    made["untrained"] = dataclasses.replace(untrained, train=dataclasses.replace(untrained.train, steps=0))
    variants = tuple(Variant(name=name, recipe=recipe, group=name) for name, recipe in made.items())
    tasks = "probe/video-clips,probe/video-motion-side,probe/video-motion-height"
    return Study(name="vatt", variants=variants, tasks=tasks, notes=("the corpora are far too small for any claim",))


STUDIES: dict[str, Callable[[], Study]] = {
    **{ablations(sense).name: partial(ablations, sense) for sense in LABELLED},
    **{few_labels(sense).name: partial(few_labels, sense) for sense in LABELLED},
    "vatt": senses,
}
