"""The Gato of the paper as a run: its tokens, network, optimiser and data rules, over the data that stand here.

`gato_79m`, `gato_364m` and `gato_1b` are its three sizes. What differs from the paper is the data (`opengato recipes
gato` lists them row by row) and what the paper leaves open (docs/gato.md). [Reed et al. 2022, arXiv:2205.06175]
"""

from __future__ import annotations

from opengato.agent import model
from opengato.data.loader import LoaderConfig
from opengato.data.rules import Rules
from opengato.envs import all_tasks
from opengato.modalities.image import resnet
from opengato.objectives import next_token
from opengato.recipes import gato_sizes, gato_tokens
from opengato.rollout import TRAIN_SEED, CollectJob
from opengato.train import loop
from opengato.train.run import Recipe

# Kept from training for the few-shot study; `assembly` is the paper's own choice.
HELD_OUT = ("babyai/PutNextS6N3", "metaworld/assembly")
# Episodes of a task. The paper has 100,000 of each BabyAI level and 2,100 of each Meta-World task, for example: a copy
# of the recipe can ask for more.
EPISODES = {
    "babyai": 1000,
    "metaworld": 100,
    "sokoban": 1000,
    "maze3d": 100,
    "procgen": 100,
    "dmc": 20,
    "bodies": 20,
    "atari": 10,
}
CONTEXT, ROWS, PART = 1024, 512, 8  # positions of a row, rows of a batch, rows that are computed at once
# Weights of Table 1: of rows that stand here, and of those that have a stand-in, shared among its corpora. Those at 0
# have experts that plan for seconds or minutes an episode. To take them in, and hours to collect:
# weights.dmc=17.77 weights.atari=9.5 weights.maze3d=9.35 weights.bodies=8.23 weights.procgen=5.34
WEIGHTS = {
    "babyai": 9.06,
    "metaworld": 8.96,
    "sokoban": 1.33,
    "dmc": 0.0,
    "atari": 0.0,
    "maze3d": 0.0,
    "bodies": 0.0,
    "procgen": 0.0,
    "austen": 4.7,
    "shakespeare": 2.0,
    "openclipart": 1.08,
    "emoji": 0.8,
    "twemoji": 0.8,
}
CONTROL = Rules(prompt=0.25, min_return=0.8)
PICTURES = Rules(pairs=5)
DRAWINGS = ("openclipart", "emoji", "twemoji")


def agent(size: str) -> model.Config:
    """All numbers and words are ids of one table, and pictures are patches."""
    return model.Config(
        modalities={gato_tokens.NAME: gato_tokens.gato(), gato_tokens.IMAGE: resnet.Config()},
        routes=gato_tokens.ROUTES,
        backbone=gato_sizes.trunk(size),
        context=CONTEXT,
        num_local=512,
    )


def jobs(family: str) -> tuple[CollectJob, ...]:
    """What the experts of a family show: of all its tasks that have one, but those held out."""
    tasks = [task.id for task in all_tasks(family) if task.expert and task.id not in HELD_OUT]
    return tuple(CollectJob(task=task, episodes=EPISODES[family], seed=TRAIN_SEED) for task in tasks)


def gato(name: str, size: str) -> Recipe:
    """The run of a size, a million steps long."""
    return Recipe(
        name=name,
        train=loop.Config(
            agent=agent(size),
            objective=next_token.Config(),
            optim=gato_sizes.optimizer(size),
            steps=1_000_000,
            accumulate=ROWS // PART,
        ),
        weights=WEIGHTS,
        collect={family: jobs(family) for family in EPISODES},
        collected="gato",
        imports=("austen", "shakespeare", *DRAWINGS),
        tasks={name: (f"caption/{name}",) for name in DRAWINGS},
        rules={**dict.fromkeys(EPISODES, CONTROL), **dict.fromkeys(DRAWINGS, PICTURES)},
        loader=LoaderConfig(groups=ROWS // PART, workers=2),
        rows_per_group=PART,
    )
