"""Writes `levels.json` and `scores.json`: the facts of every level, and what random play and the bot reach.

    python -m opengato.envs.babyai.measure                    # facts and scores of all levels, about 10 CPU minutes
    python -m opengato.envs.babyai.measure --only GoToLocal   # measure some levels again

Scores are over the episodes of the seeds 0, 1, ...: held out, as training data is collected from seeds >= 1,000,000.
An episode on which the bot gives up counts as return 0. A level that takes longer than `--seconds` gets fewer
episodes, and the file says how many.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from minigrid.envs.babyai.core.levelgen import LevelGen

from opengato.core.config import choose
from opengato.core.environment import Expert, ExpertFailed
from opengato.envs.babyai.simulator import BabyAIEnv, BotExpert, make

HERE = Path(__file__).parent
PACKAGES = ("minigrid", "gymnasium", "numpy")
MIN_EPISODES = 5
PolicyFactory = Callable[[BabyAIEnv, int], Expert]


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


def score(env: BabyAIEnv, policy: PolicyFactory, episodes: int, seconds: float) -> dict[str, Any]:
    """Mean and spread of the return over the seeds 0 .. episodes - 1, or as many as `seconds` of CPU time allow."""
    returns, lengths, failed = [], [], 0
    start = time.process_time()
    for seed in range(episodes):
        if seed >= MIN_EPISODES and time.process_time() - start > seconds:
            break
        try:
            total, length = play(env, policy, seed)
        except ExpertFailed:
            total, length, failed = 0.0, 0, failed + 1
        returns.append(total)
        lengths.append(length)
    return {
        "mean": round(float(np.mean(returns)), 4),
        "std": round(float(np.std(returns)), 4),
        "episodes": len(returns),
        "seed": 0,
        "success_rate": round(float(np.mean(np.asarray(returns) > 0)), 4),
        "failed": failed,
        "mean_length": round(float(np.sum(lengths)) / max(1, len(lengths) - failed), 1),
    }


def play(env: BabyAIEnv, policy: PolicyFactory, seed: int) -> tuple[float, int]:
    """Return and length of the episode of `seed`. ExpertFailed if the bot gives up."""
    observation, _ = env.reset(seed=seed)
    act = policy(env, seed)
    total, length, over = 0.0, 0, False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(act(observation))
        total, length, over = total + reward, length + 1, terminated or truncated
    return total, length


def random_policy(env: BabyAIEnv, seed: int) -> Expert:
    """Uniform over the actions; the episode's seed fixes the draws, from another stream than the map's."""
    generator = np.random.default_rng((seed, 1))
    actions = generator.integers(len(env.level.actions), size=env.level.max_steps).tolist()
    return lambda _: actions[env.level.step_count]


def bot_policy(env: BabyAIEnv, _seed: int) -> Expert:
    """The bot, which needs no random numbers."""
    return BotExpert(env)


def write(path: Path, header: dict[str, Any], rows: dict[str, Any]) -> None:
    """JSON with one level a line, so that a difference shows the levels that changed; readers never see half a file."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    before, after = (json.dumps(header)[:-1] + ', "tasks": {', "}}") if header else ("{", "}")
    draft = path.with_suffix(".part")
    draft.write_text(f"{before}\n{lines}\n{after}\n")
    draft.replace(path)


def main() -> None:
    """Measure, writing after every level; a level not yet measured again keeps its old scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=None, metavar="LEVEL", help="levels to measure; default: all")
    parser.add_argument("--facts-only", action="store_true", help="write levels.json and measure nothing")
    parser.add_argument("--random-episodes", type=int, default=400)
    parser.add_argument("--expert-episodes", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=8.0, help="processor seconds for a level and a policy")
    options = parser.parse_args()

    levels = all_level_facts()
    write(HERE / "levels.json", {}, levels)
    names = [choose(name, levels, what="BabyAI level") for name in options.only] if options.only else list(levels)
    scores = HERE / "scores.json"
    measured = json.loads(scores.read_text())["tasks"] if scores.exists() else {}
    header = {
        "family": "babyai",
        "expert": "BabyAIBot",
        "seeds": "0 .. episodes - 1",
        "date": datetime.date.today().isoformat(),
        "versions": {package: importlib.metadata.version(package) for package in PACKAGES},
    }
    for name in [] if options.facts_only else names:
        env, unseen = (make(levels[name]["gym_id"], render_size=0) for _ in range(2))
        vars(unseen.level)["gen_obs"] = dict  # random play looks at nothing, and views are nine tenths of its time
        measured[name] = {
            "expert": score(env, bot_policy, options.expert_episodes, options.seconds),
            "random": score(unseen, random_policy, options.random_episodes, options.seconds),
        }
        print(name, measured[name], flush=True)
        write(scores, header, {known: measured[known] for known in levels if known in measured})


if __name__ == "__main__":
    main()
