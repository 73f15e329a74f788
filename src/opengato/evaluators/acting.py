"""Who plays: an agent, or a policy that needs none."""

from __future__ import annotations

from opengato.agent.model import Agent
from opengato.agent.policy import AgentPolicy
from opengato.rollout import Policy, as_policy

Player = Agent | Policy | str
"""An agent; or `"random"`, `"expert"` or a `Policy`, to measure what an agent is compared with."""


def policy_of(player: Player) -> Policy:
    """The batched policy of a player: greedy for an agent."""
    if isinstance(player, str | Policy):
        return as_policy(player)
    return AgentPolicy(player, temperature=0.0, seed=0)
