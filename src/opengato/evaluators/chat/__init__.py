"""Chat: the true reply among sixteen, how likely it is, and whether replies come to an end."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from opengato.agent.model import Agent
from opengato.core.episode import Episode
from opengato.evaluators import contract
from opengato.evaluators.choosing import CHOICES, dealt, pointwise_information, rank_of
from opengato.evaluators.imported import ImportedEvaluator, baselines, held_out_episodes
from opengato.evaluators.replies import answer_nats, answer_of, nats_and_bytes, turns_of, with_answer
from opengato.evaluators.report import TaskResult
from opengato.evaluators.statistics import bootstrap_ratio, proportion

METRIC = f"right reply of {CHOICES}"
LONGEST = 64  # tokens of a reply


class Evaluator(ImportedEvaluator):
    """Accuracy of choosing a held-out turn's reply among 16, given the dialogue so far with its true replies.

    The turns are dealt into groups of 16, and each group's replies are the choices of all its turns. The score is
    log p(reply | dialogue) - log p(reply), as with captions, p(reply) the mean over the dialogues of the group; `plain`
    ranks by log p(reply | dialogue) alone. `bits per byte` is of the true replies, teacher forced; `stops` is the share
    of greedy replies that end by themselves within 64 tokens.
    """

    counted = "stopped"
    measured = ("chat",)

    def num_samples(self, task_id: str, settings: contract.Settings) -> int:
        return len(held_out_turns(task_id, settings))

    def measure(self, agent: Agent, task_id: str, settings: contract.Settings) -> Iterator[tuple[str, float]]:
        """`stopped`, `nats` and `bytes` of each turn, `rank` and `plain rank` (0 is right) of each different reply."""
        turns = held_out_turns(task_id, settings)
        for turn in turns:
            yield "stopped", float(agent.answer(turn, LONGEST).stopped)
        for nats, size in nats_and_bytes(agent, turns):
            yield "nats", nats
            yield "bytes", float(size)
        replies = [answer_of(turn) for turn in turns]
        for group, asked in dealt(replies, np.random.default_rng(settings.seed)):
            asks = [with_answer(turns[one], replies[other]) for one in group for other in group]
            scores = [-float(np.sum(nats, dtype=np.float64)) for nats in answer_nats(agent, asks)]
            given = np.array(scores).reshape(len(group), len(group))
            informed = pointwise_information(given)
            for row in range(asked):
                yield "rank", float(rank_of(row, informed[row].tolist()))
                yield "plain rank", float(rank_of(row, given[row].tolist()))

    def summarise(self, task_id: str, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
        ranks, plain, stopped = (np.asarray(samples[name]) for name in ("rank", "plain rank", "stopped"))
        rate = bootstrap_ratio(samples["nats"], samples["bytes"], np.random.default_rng(settings.seed))
        return TaskResult(
            task=task_id,
            metric=METRIC,
            score=proportion(int((ranks == 0).sum()), len(ranks)),
            figures={
                "plain": proportion(int((plain == 0).sum()), len(plain)),
                "bits per byte": rate.scaled(0.0, math.log(2)),
                "stops": proportion(int(stopped.sum()), len(stopped)),
            },
            references={"chance": 1 / CHOICES, **baselines(task_id)},
            samples={name: tuple(values) for name, values in samples.items()},
            num_samples=len(ranks),
            seed=settings.seed,
        )


def held_out_turns(task_id: str, settings: contract.Settings) -> list[Episode]:
    """Every turn of the held-out dialogues, with what was said before it."""
    episodes = held_out_episodes(task_id, settings.data, documents=settings.documents, seed=settings.seed)
    return [turn for episode in episodes for turn in turns_of(episode)]
