"""Writes `worlds.json`, the facts of every world: python -m opengato.envs.minigrid.facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium

from opengato.envs.minigrid.simulator import make

WORLDS = Path(__file__).parent / "worlds.json"
WITHOUT_FILES = "MiniGrid-WFC-"  # six mazes whose patterns the package does not bring


def world_facts(gym_id: str) -> dict[str, Any]:
    """What the task table holds of a world; the instruction is that of seed 0."""
    env = make(gym_id, render_size=0)
    instruction = env.reset(seed=0)[0]["mission"]
    kind = type(env.level).__name__
    return {
        "gym_id": gym_id,
        "kind": kind,
        "size": max(env.level.width, env.level.height),
        "max_steps": env.level.max_steps,
        "instruction": instruction,
    }


def main() -> None:
    """Write one world a line, so that a difference shows the worlds that changed."""
    ids = [id_ for id_ in gymnasium.registry if id_.startswith("MiniGrid-") and not id_.startswith(WITHOUT_FILES)]
    facts = {gym_id.removeprefix("MiniGrid-").removesuffix("-v0"): world_facts(gym_id) for gym_id in ids}
    facts = dict(sorted(facts.items(), key=lambda item: (item[1]["size"], item[0])))
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in facts.items())
    WORLDS.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
