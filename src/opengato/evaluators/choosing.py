"""The right answer among several, by likelihood."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from opengato.agent.model import Agent
from opengato.core.episode import Episode
from opengato.sources.answers import normalised

CHOICES = 16


def pointwise_information(given: np.ndarray) -> np.ndarray:
    """log p(answer | question) - log p(answer) of log p(answer | question), questions in rows, answers in columns.

    p(answer) is the mean of p(answer | question) over the questions.
    """
    return given - (np.logaddexp.reduce(given, axis=0) - np.log(len(given)))


def log_probabilities(agent: Agent, documents: list[Episode]) -> list[float]:
    """log p of what each document writes, in nats, summed over its rows."""
    return [-float(np.sum(nats, dtype=np.float64)) for nats in agent.log_likelihood(documents)]


def rank_of(right: int, scores: list[float]) -> int:
    """How many choices come before `right`: better ones, and equal ones with a smaller index."""
    return sum(s > scores[right] or (s == scores[right] and i < right) for i, s in enumerate(scores))


def dealt(answers: Sequence[str], rng: np.random.Generator) -> list[tuple[list[int], int]]:
    """Different answers in groups of 16: their indices, and how many of a group, the first, are asked about.

    Every answer is asked about once; of those that are the same (`normalised`) the first alone takes part. The last
    group is filled up with answers of others. ValueError if there are fewer than 16.
    """
    different = {normalised(answer): index for index, answer in reversed(list(enumerate(answers)))}
    if len(different) < CHOICES:
        raise ValueError(f"{len(different)} different answers are held out, expected at least {CHOICES}")
    order = rng.permutation(sorted(different.values())).tolist()
    groups = [order[start : start + CHOICES] for start in range(0, len(order), CHOICES)]
    asked = [len(group) for group in groups]
    groups[-1] += order[: CHOICES - asked[-1]]
    return list(zip(groups, asked, strict=True))
