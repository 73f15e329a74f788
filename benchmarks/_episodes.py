"""Data of the shape that the recipe `tiny` trains on, made in seconds on any machine.

Grid and robot episodes are random numbers under the specs of BabyAI and Meta-World, as long as the real ones are;
texts and captioned pictures are the held-out sample that comes with the package. Letters: S steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from opengato.core.episode import Episode, document
from opengato.data.mixture import MixtureConfig, SourceConfig
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.envs import find_task
from opengato.evaluators.heldout import held_out_folder, held_out_text
from opengato.rollout.policies import sample_uniform

TEXT = "text/austen"
WEIGHTS = {"grid": 0.5, "robot": 0.26, "text": 0.17, "pictures": 0.07}
# Medians and spreads of the logarithm of the lengths in steps, and the longest: as the experts' episodes are.
LENGTHS = {"babyai": (7.0, 0.7, 128), "metaworld": (70.0, 0.4, 250)}
OTHERS = (100.0, 0.4, 250)  # of other families: none in particular


def control_episode(task_id: str, seed: int) -> Episode:
    """Random values under the specs of a task."""
    task, generator = find_task(task_id), np.random.default_rng(seed)
    median, spread, longest = LENGTHS.get(task_id.partition("/")[0], OTHERS)
    steps = int(np.clip(generator.lognormal(np.log(median), spread), 1, longest))
    observations = {}
    for name, spec in task.observation_specs.items():
        if spec.kind == "image":
            drawn = generator.integers(256, size=(steps, *spec.shape))
        elif spec.num_values is not None:
            drawn = generator.integers(spec.num_values, size=(steps, *spec.shape))
        else:
            drawn = generator.standard_normal((steps, *spec.shape))
        observations[name] = drawn.astype(spec.dtype)
    actions = {
        name: np.stack([sample_uniform(spec, generator) for _ in range(steps)])
        for name, spec in task.action_specs.items()
    }
    return Episode(
        task=task.id,
        instruction=task.instruction,
        observation_specs=task.observation_specs,
        action_specs=task.action_specs,
        observations=observations,
        actions=actions,
        rewards=np.zeros(steps, np.float32),
        success=True,
        provenance={"seed": seed, "policy": "random numbers"},
    )


def control_episodes(task_id: str, count: int) -> list[Episode]:
    """Episodes of the seeds 0, 1, ..."""
    return [control_episode(task_id, seed) for seed in range(count)]


def text_episodes(count: int, characters: int = 2000) -> Iterator[Episode]:
    """Stretches of the held-out text, entered at even steps."""
    text = held_out_text(TEXT)
    for start in np.linspace(0, max(0, len(text) - characters), count).astype(int):
        yield document(TEXT, text[start : start + characters])


def write_mixture(folder: Path, count: int, length: int, rows: int) -> MixtureConfig:
    """Stores of `count` episodes of each kind under `folder`, and a mixture of them like that of the recipe `tiny`."""
    kinds = {
        "grid": control_episodes("babyai/GoToLocal", count),
        "robot": control_episodes("metaworld/drawer-open", count // 4),
        "text": text_episodes(count // 4),
        "pictures": EpisodeStore(held_out_folder() / "captions"),
    }
    for name, episodes in kinds.items():
        with StoreWriter(folder / name) as writer:
            writer.append(episodes)
    sources = {name: SourceConfig(path=str(folder / name), weight=weight) for name, weight in WEIGHTS.items()}
    return MixtureConfig(sources=sources, length=length, rows_per_group=rows)
