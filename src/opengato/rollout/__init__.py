"""Anything that acts, in anything that steps, as episodes.

`rollout` steps `num_envs` environments of one task in lockstep and asks a batched `Policy` for all their actions at
once. An episode is a function of (task, policy, noise levels, its seed) alone: episode i has seed `seed + i`, whatever
the number of environments, jobs or processes. `collect` is the same for the policies that need no model; `supervise`
plays many jobs in the processes of a `Crew` and loses no more than the episode that crashed or hung. No torch here:
collecting starts fast and runs in many processes.
"""

from opengato.rollout.collect import TRAIN_SEED, CollectJob, Outcome, collect, digest, lacking, play
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
from opengato.rollout.supervise import Limits, supervise
from opengato.rollout.workers import Crew, LocalCrew

__all__ = [
    "TRAIN_SEED",
    "AnyPolicy",
    "CallablePolicy",
    "CollectJob",
    "Crew",
    "ExpertPolicy",
    "Limits",
    "LocalCrew",
    "Observed",
    "Outcome",
    "Policy",
    "RandomPolicy",
    "Rollout",
    "Values",
    "as_policy",
    "collect",
    "digest",
    "disturb",
    "lacking",
    "play",
    "rollout",
    "supervise",
]
