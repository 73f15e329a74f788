"""Writes the golden files: every position of one real step of a task family, in the ids of the Gato paper.

    python -m tests.golden.steps

Run it only when the encoding is meant to change, and read the difference.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from opengato.cli.positions import Walk
from opengato.core.episode import Episode
from opengato.core.serialize import Layout, Serializer
from opengato.data.documents import Document
from opengato.data.packing import pack
from opengato.envs import family_of, find_task
from opengato.modalities import image
from opengato.recipes import gato_tokens

TASKS = {"babyai": "babyai/PutNextLocal", "metaworld": "metaworld/drawer-open"}
SEED, STEP = 0, 2


def path(family: str) -> Path:
    return Path(__file__).with_name(f"{family}_step.txt")


def one_step(task_id: str) -> Episode:
    """What the expert sees and does at a step of the episode of a seed; ImportError where a simulator is missing."""
    task, family = find_task(task_id), family_of(task_id)
    env = family.make(task_id.partition("/")[2])
    raw, _ = env.reset(seed=SEED)
    instruction, expert = family.instruction(env, task), family.expert(env)
    for _ in range(STEP):
        raw, *_ = env.step(family.action(family.action_values(expert(raw))))
    observation, action = family.observation(raw), family.action_values(expert(raw))
    env.close()
    return Episode(
        task=task_id,
        instruction=instruction,
        observation_specs=task.observation_specs,
        action_specs=task.action_specs,
        observations={name: value[None] for name, value in observation.items()},
        actions={name: np.asarray(value)[None] for name, value in action.items()},
        rewards=np.zeros(1, np.float32),
    ).validate()


def serializer() -> Serializer:
    modalities = {gato_tokens.NAME: gato_tokens.gato(), gato_tokens.IMAGE: image.Config()}
    layout = Layout(order=tuple(modalities), routes=gato_tokens.ROUTES)
    return Serializer(layout, {name: config.codec() for name, config in modalities.items()})


def lines(episode: Episode) -> list[str]:
    """A head, then a line a position."""
    made = serializer()
    document = Document(sequence=made.episode(episode), source=0, episode=0)
    specs = episode.observation_specs | episode.action_specs
    kinds = {"instruction": "text", "separator": "separator"} | {name: spec.kind for name, spec in specs.items()}
    seen: Counter[str] = Counter()
    found = [
        f"{episode.task}, seed {SEED}, step {STEP}, as the expert acts; ids of gato_tokens.gato()",
        f"{'position':>8} {'part':10} {'id':>5} predict {'field':12} meaning",
    ]
    for p in Walk(pack([[document]], len(document)), made, episode).positions(document, row=0, start=0):
        field = p.field
        if field in specs and specs[field].shape:
            index = np.unravel_index(seen[field], specs[field].shape)
            field = f"{field}[{','.join(map(str, index))}]"
        seen[p.field] += 1
        meaning = {"''": "begin", "": "|"}.get(p.value, p.value)
        found.append(
            f"{p.position:>8} {kinds[p.field]:10} {p.id:>5} {'yes' if p.predict else 'no':7} {field:12} {meaning}"
        )
    return found


if __name__ == "__main__":
    for family, task_id in TASKS.items():
        path(family).write_text("\n".join(lines(one_step(task_id))) + "\n", encoding="utf-8")
