"""Who plays: an agent, or a policy that needs none."""

from __future__ import annotations

from opengato.agent.model import Agent
from opengato.agent.policy import AgentPolicy, Limits
from opengato.rollout import Policy, as_policy

Player = Agent | Policy | str
"""An agent; or `"random"`, `"expert"` or a `Policy`, to measure what an agent is compared with."""


def policy_of(player: Player, temperature: float = 0.0, limits: Limits | None = None, rows: int = 16) -> Policy:
    """The batched policy of a player, for `rows` environments side by side; greedy by default for an agent."""
    if isinstance(player, str | Policy):
        return as_policy(player)
    return AgentPolicy(player, temperature, seed=0, rows=rows, limits=limits)
