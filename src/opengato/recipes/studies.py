"""The studies: which ways to train are compared, on what.

opengato study encodings      # numbers as tokens, or vectors in one position; told or not; shown or not
opengato study scaling        # three sizes, each at four numbers of positions
opengato study fusion         # patches straight into the trunk, or an encoder for each sense first, at equal compute
opengato study sharing        # the recipe `senses`, and each of its senses alone, with as many positions of its data
opengato study self-supervised, self-supervised-sounds, self-supervised-texts    # what matters in data2vec
opengato study vatt    # films, sounds and texts: rows dropped or not, one trunk or three
opengato study few-labels, few-labels-sounds, few-labels-texts    # what its weights are worth where labels are few
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from functools import partial

from opengato.agent.policy import Limits
from opengato.backbones import decoder
from opengato.core.config import choose
from opengato.data.loader import LoaderConfig
from opengato.data.rules import Rules
from opengato.evaluators.contract import Settings
from opengato.evaluators.study import Study, Variant
from opengato.recipes import fusion as fusions
from opengato.recipes import self_supervised, senses, tiny, tiny_tokens
from opengato.rollout import TRAIN_SEED, CollectJob
from opengato.train.run import Recipe

BABYAI = "GoToObj GoToLocalS5N2 GoToLocalS8N3 PickupDist OpenDoorColor PutNextS4N1".split()
METAWORLD = "drawer-open door-close button-press window-open push reach".split()
BABYAI_EPISODES, METAWORLD_EPISODES = 4000, 150
COLLECTED = "study"  # the folder of what is collected
TASKS = ",".join([*(f"babyai/{name}" for name in BABYAI), *(f"metaworld/{name}" for name in METAWORLD)])
FUSION_TASKS = ",".join(
    "caption/emoji caption/openclipart retrieve/caption-emoji retrieve/caption-openclipart draw/emoji draw/openclipart "
    "text/austen".split()
)
EPISODES = 10  # of each task when measured
STEPS = 800
POSITIONS = 4096  # of a step
SIZES = {"0.5M": (96, 4), "2M": (192, 4), "7M": (256, 6)}  # width and depth; named by the trunk's parameters
BUDGETS = (100, 200, 400, 800)  # steps


def trunk(width: int, depth: int, window: int) -> decoder.Config:
    """A small decoder with heads of 48 or 64 numbers."""
    heads = max(2, width // 64)
    return decoder.Config(width=width, depth=depth, heads=heads, hidden=width * 11 // 4, window=window)


def control_jobs() -> dict[str, tuple[CollectJob, ...]]:
    """What experts show of the twelve control tasks."""
    metaworld = partial(CollectJob, episodes=METAWORLD_EPISODES, seed=TRAIN_SEED, noise=(0.0, 0.1), only_success=True)
    return {
        "babyai": tuple(CollectJob(task=f"babyai/{n}", episodes=BABYAI_EPISODES, seed=TRAIN_SEED) for n in BABYAI),
        "metaworld": tuple(metaworld(task=f"metaworld/{name}") for name in METAWORLD),
    }


def control(base: Recipe, steps: int, rules: Rules, size: tuple[int, int]) -> Recipe:
    """A recipe of twelve control tasks alone, half of the positions for each family, without picture or prose."""
    agent = base.train.agent
    agent = dataclasses.replace(agent, backbone=trunk(*size, window=agent.context))
    rows = POSITIONS // agent.context
    return dataclasses.replace(
        base,
        name="study",
        collected=COLLECTED,
        train=dataclasses.replace(base.train, agent=agent, steps=steps),
        weights={"babyai": 0.5, "metaworld": 0.5},
        task_weights={},
        tasks={},
        collect=control_jobs(),
        imports=(),
        rules={"babyai": rules, "metaworld": rules},
        loader=LoaderConfig(groups=1, workers=1),
        rows_per_group=rows,
    )


def encodings() -> Study:
    """Both encodings at equal numbers of positions and steps, with the same trunk."""
    variants = []
    recipes = {"vector": tiny.recipe(), "tokens": tiny_tokens.recipe()}
    for (name, base), told, shown in itertools.product(recipes.items(), (True, False), (False, True)):
        rules = Rules(prompt=0.25 if shown else 0.0, instructions=1.0 if told else 0.0)
        settings = Settings(episodes=EPISODES, limits=Limits(instructed=told), prompted=shown)
        words = f"{name}-{'told' if told else 'untold'}-{'shown' if shown else 'unshown'}"
        recipe = control(base, STEPS, rules, SIZES["2M"])
        variants.append(Variant(name=words, recipe=recipe, settings=settings, group=name))
    return Study(name="encodings", variants=tuple(variants), tasks=TASKS)


def scaling() -> Study:
    """Three sizes at equal numbers of positions; each point is a run of its own, whose rate falls to zero."""
    variants = []
    for (name, size), steps in itertools.product(SIZES.items(), BUDGETS):
        recipe = control(tiny.recipe(), steps, Rules(), size)
        settings = Settings(episodes=EPISODES)
        variants.append(
            Variant(name=f"{name}-{steps}", recipe=recipe, settings=settings, group=name, x=float(steps * POSITIONS))
        )
    return Study(name="scaling", variants=tuple(variants), tasks=TASKS, x_name="positions trained on")


def fusion() -> Study:
    """Early and late fusion, measured on what is shown and what is written."""
    variants = tuple(Variant(name=name, recipe=fusions.run_of(name), group=name) for name in fusions.STEPS)
    return Study(name="fusion", variants=variants, tasks=FUSION_TASKS, notes=tuple(fusions.compute()))


def sharing() -> Study:
    """Whether the senses help or hurt one another: one network for all, and one of the same size for each."""
    whole = senses.recipe()
    total = sum(whole.weights.values())
    variants = [
        Variant(
            name="joint",
            recipe=whole,
            group="together",
            tasks=",".join(task for part in senses.PARTS.values() for task in part.tasks),
        )
    ]
    for name, part in senses.PARTS.items():
        weights = part.weights
        recipe = dataclasses.replace(
            whole,
            train=dataclasses.replace(whole.train, steps=round(whole.train.steps * sum(weights.values()) / total)),
            weights=weights,
            imports=tuple(weights),
            task_weights={source: found for source, found in whole.task_weights.items() if source in weights},
            rules={source: whole.rules[source] for source in weights},
        )
        variants.append(Variant(name=name, recipe=recipe, group="alone", tasks=",".join(part.tasks)))
    return Study(name="sharing", variants=tuple(variants), tasks=variants[0].tasks, seeds=1)


STUDIES: dict[str, Callable[[], Study]] = {
    "encodings": encodings,
    "scaling": scaling,
    "fusion": fusion,
    "sharing": sharing,
    **self_supervised.STUDIES,
}


def load(name: str) -> Study:
    """A study by its name; an unknown one is a ValueError that suggests the near one."""
    return STUDIES[choose(name, STUDIES, what="study")]()
