"""Anything that acts, in anything that steps, as episodes.

`rollout` steps `num_envs` environments of one task in lockstep and asks a batched `Policy` for all their actions at
once. An episode is a function of (task, policy, noise levels, its seed) alone: episode i has seed `seed + i`, whatever
the number of environments, chunks or processes. `collect` and `collect_many` are the same for the policies that need
no model. No torch here: collecting starts fast and runs in many processes.
"""

from opengato.rollout.collect import TRAIN_SEED, CollectJob, collect, collect_many
from opengato.rollout.policies import (
    AnyPolicy,
    CallablePolicy,
    ExpertPolicy,
    Observed,
    Policy,
    RandomPolicy,
    Values,
    as_policy,
)
from opengato.rollout.run import Rollout, disturb, rollout

__all__ = [
    "TRAIN_SEED",
    "AnyPolicy",
    "CallablePolicy",
    "CollectJob",
    "ExpertPolicy",
    "Observed",
    "Policy",
    "RandomPolicy",
    "Rollout",
    "Values",
    "as_policy",
    "collect",
    "collect_many",
    "disturb",
    "rollout",
]
