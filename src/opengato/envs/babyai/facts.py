"""Writes `levels.json`, the facts of every level: python -m opengato.envs.babyai.facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium
from minigrid.envs.babyai.core.levelgen import LevelGen

from opengato.envs.babyai.simulator import make

LEVELS = Path(__file__).parent / "levels.json"


def level_facts(gym_id: str) -> dict[str, Any]:
    """What the task table holds of a level; the instruction is that of seed 0."""
    env = make(gym_id, render_size=0)
    level = env.level
    longest = 0
    instruction = env.reset(seed=0)[0]["mission"]
    for seed in range(30):
        env.reset(seed=seed)
        longest = max(longest, level.max_steps)
    # Levels generated from the whole grammar allow more steps for longer missions, of up to 4 actions, of which one
    # in 3000 missions is; putting things next to others counts twice.
    if isinstance(level, LevelGen) and not level.fixed_max_steps:
        actions = {"action": 1, "and": 2, "seq": 4}
        walks = max(actions[kind] for kind in level.instr_kinds) * (2 if "putnext" in level.action_kinds else 1)
        longest = walks * level.room_size**2 * level.num_rows * level.num_cols
    return {
        "gym_id": gym_id,
        "rows": level.num_rows,
        "columns": level.num_cols,
        "room_size": level.room_size,
        "max_steps": longest,
        "instruction": instruction,
    }


def all_level_facts() -> dict[str, dict[str, Any]]:
    """Facts by level name, from one small room to the largest maze."""
    ids = [gym_id for gym_id in gymnasium.registry if gym_id.startswith("BabyAI-")]
    facts = {gym_id.removeprefix("BabyAI-").rpartition("-")[0]: level_facts(gym_id) for gym_id in ids}
    return dict(sorted(facts.items(), key=lambda item: (_size(item[1]), item[0])))


def _size(facts: dict[str, Any]) -> tuple[int, int]:
    return facts["rows"] * facts["columns"], facts["room_size"]


def main() -> None:
    """Write one level a line, so that a difference shows the levels that changed."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in all_level_facts().items())
    LEVELS.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
