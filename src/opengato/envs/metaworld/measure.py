"""Writes `scores.json`: what random actions and the scripted policies reach in each of the 50 tasks.

    python -m opengato.envs.metaworld.measure                      # all tasks, about 5 minutes
    python -m opengato.envs.metaworld.measure --only drawer-open   # measure some tasks again

Scores are over the episodes of the seeds 0, 1, ...: held out, as training data is collected from seeds >= 1,000,000.
The return is 1 for success and 0 otherwise, so `mean` and `success_rate` are the same number.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
from typing import Any

import numpy as np

from opengato.core.config import choose
from opengato.core.environment import Expert
from opengato.envs.metaworld.family import SCORES, Family
from opengato.envs.metaworld.instructions import INSTRUCTIONS
from opengato.envs.metaworld.simulator import STEPS_AFTER_SUCCESS, MetaWorldEnv, scripted_policy


def play(env: MetaWorldEnv, act: Expert, seed: int) -> tuple[bool, int]:
    """Whether the episode of `seed` succeeds, and its number of steps."""
    observation, _ = env.reset(seed=seed)
    length, terminated, truncated = 0, False, False
    total = 0.0
    while not (terminated or truncated):
        observation, reward, terminated, truncated, _ = env.step(act(observation))
        total, length = total + float(reward), length + 1
    return total > 0, length


def random_policy(seed: int) -> Expert:
    """Uniform actions; the episode's seed fixes the draws, from another stream than the places of the objects."""
    generator = np.random.default_rng((seed, 1))
    return lambda _: generator.uniform(-1.0, 1.0, 4).astype(np.float32)


def score(episodes: list[tuple[bool, int]]) -> dict[str, Any]:
    """A row of the table; lengths are those of the episodes that succeed, up to the first success."""
    successes = np.array([success for success, _ in episodes], np.float64)
    lengths = [length - STEPS_AFTER_SUCCESS for success, length in episodes if success]
    return {
        "mean": round(float(successes.mean()), 4),
        "std": round(float(successes.std()), 4),
        "episodes": len(episodes),
        "seed": 0,
        "success_rate": round(float(successes.mean()), 4),
        "mean_steps_to_success": round(float(np.mean(lengths)), 1) if lengths else None,
        "max_steps_to_success": max(lengths, default=None),
    }


def write(rows: dict[str, Any]) -> None:
    """JSON with one task a line, so that a difference shows the tasks that changed; readers never see half a file."""
    header = {
        "family": Family.name,
        "expert": "Meta-World's scripted policy",
        "seeds": "0 .. episodes - 1",
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "versions": {package: importlib.metadata.version(package) for package in Family.packages},
    }
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(rows[name])}" for name in INSTRUCTIONS if name in rows)
    draft = SCORES.with_suffix(".part")
    draft.write_text(f'{json.dumps(header)[:-1]}, "tasks": {{\n{lines}\n}}}}\n')
    draft.replace(SCORES)


def main() -> None:
    """Measure, writing after every task; a task not measured again keeps its old scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=None, metavar="TASK", help="tasks to measure; default: all")
    parser.add_argument("--episodes", type=int, default=20, help="per task and policy")
    options = parser.parse_args()
    names = options.only or INSTRUCTIONS
    measured = json.loads(SCORES.read_text())["tasks"] if SCORES.exists() else {}
    for name in names:
        env = MetaWorldEnv(choose(name, INSTRUCTIONS, what="Meta-World task"))
        expert = scripted_policy(name)
        measured[name] = {
            "expert": score([play(env, expert, seed) for seed in range(options.episodes)]),
            "random": score([play(env, random_policy(seed), seed) for seed in range(options.episodes)]),
        }
        print(name, measured[name], flush=True)
        write(measured)


if __name__ == "__main__":
    main()
