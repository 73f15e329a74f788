"""What an episode opens with beside its instruction, when an agent acts: a demonstration, a return to reach.

Letters: S steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opengato.core.environment import TaskInfo
from opengato.core.episode import Episode
from opengato.core.returns import (
    EXPERT_RETURNS,
    PREDICTED_RETURNS,
    AskedReturn,
    PredictedReturn,
    ReturnsInSight,
    return_unit,
)
from opengato.core.serialize import Serializer
from opengato.data.documents import DocumentMaker, slice_steps

if TYPE_CHECKING:
    from opengato.agent.model import Agent


def first_steps(shown: Episode, instruction: str, serializer: Serializer, limit: int) -> Episode:
    """The first whole steps of a demonstration that fit `limit` positions with the instruction before them.

    Gato reads the first 1024 tokens [Reed et al. 2022, arXiv:2205.06175, sec. 2.4]. ValueError if not one step fits.
    """
    ends_S = DocumentMaker(serializer).edges(shown)[1:]
    head = len(serializer.prompt(instruction))
    fitting = int(np.searchsorted(ends_S, limit - head, side="right"))
    if fitting == 0:
        raise ValueError(
            f"the first step of the prompt takes {int(ends_S[0])} positions after {head} of the instruction, but "
            f"`prompt_length` is {limit}; raise it, or give a prompt with smaller observations"
        )
    return shown if fitting == shown.num_steps else slice_steps(shown, 0, fitting)


def returns_in_sight(agent: Agent, task: TaskInfo, target: float | None) -> ReturnsInSight | None:
    """The returns of an episode of a task, in the units of the agent's card; None if it saw none.

    An agent that observes them is asked for `target`, or for the expert return; one that predicts them takes no target.
    ValueError for a target that the agent cannot understand.
    """
    known = agent.card.get(EXPERT_RETURNS, {})
    predicted = agent.card.get(PREDICTED_RETURNS, ())
    if target is not None and (task.id not in known or task.id in predicted):
        raise ValueError(
            f"received `target_return` {target:g} for {task.id!r}, but this agent can be asked for returns on "
            f"{sorted(set(known) - set(predicted)) or 'no task'}; leave it out, or train with "
            "`rules.SOURCE.returns=true` and without `predict_returns`"
        )
    if task.id not in known:
        return None
    unit = return_unit(known[task.id])
    if task.id in predicted:
        return PredictedReturn(unit)
    return AskedReturn(known[task.id] if target is None else target, unit)
