"""The ideas around Gato as variants of `tiny`: the same network and the same data, another objective or other parts.

Each is a recipe of its own, so that `tiny` is the baseline of all; what each does: docs/ideas.md. None has been trained
and scored yet. Those that learn to learn see no task of the corpus `META_TEST`; beside it, every task that `tiny` does
not know is one to adapt to (`opengato finetune --meta`).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from opengato.data.loader import LoaderConfig
from opengato.nn import decision, private
from opengato.objectives import balanced as balancing
from opengato.objectives import decision as naming
from opengato.objectives.meta import maml, reptile
from opengato.recipes import tiny
from opengato.train.run import Recipe

META_TEST = "twemoji"
ROWS = 4  # of a task, in the recipes that learn to learn


def decided() -> Recipe:
    """The decision loss, with the weights that `tiny` gives to modalities."""
    weights = tiny.recipe().train.objective.weights
    objective = naming.Config(task=0.1, alpha=0.1, weights=weights)
    return variant("decision-tiny", {"decision": decision.Config()}, {"objective": objective})


def parallel() -> Recipe:
    """Every step on one task, which has an adapter of its own, as each modality has."""
    parts = private.Config(task="adapter", modality="adapter")
    base = tiny.recipe()
    return variant("parallel-tiny", {"private": parts}, {}, groups_per_task=base.loader.groups)


def balanced() -> Recipe:
    """Weights of the modalities that are learnt as uncertainty, in the place of those that `tiny` was given."""
    return variant("balanced-tiny", {}, {"objective": balancing.Config()})


def learning_to_learn(name: str, objective: maml.Config | reptile.Config) -> Recipe:
    """As many rows a step as `tiny`, four of each of four tasks; blocks that are compiled have no second derivative."""
    base = tiny.recipe()
    tasks = base.rows // ROWS
    return variant(
        name,
        {},
        {"objective": objective, "accumulate": tasks, "compile": "never"},
        weights={**base.weights, META_TEST: 0.0},
        loader=LoaderConfig(groups=tasks, workers=base.loader.workers),
        rows_per_group=ROWS,
        groups_per_task=1,
    )


def variant(name: str, agent: dict[str, Any], train: dict[str, Any], **changes: Any) -> Recipe:
    """`tiny` with other fields of its agent, of its training and of the recipe; its data are shared."""
    base = tiny.recipe()
    network = dataclasses.replace(base.train.agent, **agent)
    settings = dataclasses.replace(base.train, agent=network, **train)
    return dataclasses.replace(base, name=name, collected=base.name, train=settings, **changes)
