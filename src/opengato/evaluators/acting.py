"""Who plays: an agent, or a policy that needs none."""

from __future__ import annotations

from opengato.agent.model import Agent
from opengato.agent.policy import AgentPolicy, Limits
from opengato.core.episode import Episode
from opengato.rollout import TRAIN_SEED, Policy, as_policy, collect

Player = Agent | Policy | str
"""An agent; or `"random"`, `"expert"` or a `Policy`, to measure what an agent is compared with."""


TRIES = 20  # episodes of an expert, one of which should be a success


def policy_of(
    player: Player,
    temperature: float = 0.0,
    limits: Limits | None = None,
    rows: int = 16,
    prompt: Episode | None = None,
) -> Policy:
    """The batched policy of a player, for `rows` environments side by side; greedy by default for an agent."""
    if isinstance(player, str | Policy):
        return as_policy(player)
    return AgentPolicy(player, temperature, seed=0, rows=rows, prompt=prompt, limits=limits)


def demonstration(task_id: str) -> Episode:
    """The first successful episode of a task's expert, of a training seed; ValueError if it has none in `TRIES`."""
    episodes = collect(task_id, "expert", episodes=TRIES, seed=TRAIN_SEED)
    found = next((episode for episode in episodes if episode.success is not False), None)
    if found is None:
        raise ValueError(f"the expert of {task_id!r} succeeds in none of {TRIES} episodes, so it can show nothing")
    return found
