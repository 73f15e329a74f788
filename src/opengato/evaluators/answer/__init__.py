"""Answer: questions about a picture, a film or a sound, answered freely and by choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from opengato.agent.model import Agent
from opengato.evaluators import contract
from opengato.evaluators.choosing import log_probabilities
from opengato.evaluators.imported import ImportedEvaluator, baselines, held_out_episodes
from opengato.evaluators.replies import answer_of, with_answer
from opengato.evaluators.report import TaskResult
from opengato.evaluators.statistics import proportion
from opengato.sources.answers import normalised

METRIC = "exact match"
LONGEST = 32  # tokens of an answer
MOST_CHOICES = 100
BATCH = 512  # questions times answers


class Evaluator(ImportedEvaluator):
    """Share of held-out questions whose greedy answer is the true one, letter by letter.

    Two answers are the same if they agree in letters and digits, whatever their case, spaces and stops (`normalised`).
    `by choice` is the accuracy of the likeliest of all answers that the task's held-out questions have, each with the
    marker that ends it; of more than 100, the true one is among 100 drawn by the seed. `stops` is the share of greedy
    answers that end by themselves within 32 tokens. `majority` gives every question the most frequent true answer.
    """

    counted = "exact"
    measured = ("vqa",)

    def measure(self, agent: Agent, task_id: str, settings: contract.Settings) -> Iterator[tuple[str, float]]:
        """`stopped`, `exact`, `chosen` and `majority` of each question: 1 where it is so, else 0."""
        episodes = held_out_episodes(task_id, settings.data, documents=settings.documents, seed=settings.seed)
        true = [answer_of(episode) for episode in episodes]
        most = Counter(sorted(map(normalised, true))).most_common(1)[0][0]
        width = min(MOST_CHOICES, len(set(true)))
        for start in range(0, len(episodes), max(1, BATCH // width)):
            batch = range(start, min(len(episodes), start + max(1, BATCH // width)))
            offered = [choices(true, i, np.random.default_rng((settings.seed, i))) for i in batch]
            asked = [
                with_answer(episodes[i], answer) for i, some in zip(batch, offered, strict=True) for answer in some
            ]
            scores = np.reshape(log_probabilities(agent, asked), (len(batch), width))
            for i, some, mine in zip(batch, offered, scores, strict=True):
                written = agent.answer(episodes[i], LONGEST)
                yield "stopped", float(written.stopped)
                yield "chosen", float(some[int(np.argmax(mine))] == true[i])
                yield "majority", float(normalised(true[i]) == most)
                yield "exact", float(normalised(written.text) == normalised(true[i]))

    def summarise(self, task_id: str, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
        count = len(samples["exact"])
        return TaskResult(
            task=task_id,
            metric=METRIC,
            score=proportion(int(sum(samples["exact"])), count),
            figures={
                "by choice": proportion(int(sum(samples["chosen"])), count),
                "stops": proportion(int(sum(samples["stopped"])), count),
            },
            references={"majority": float(np.mean(samples["majority"])), **baselines(task_id)},
            samples={name: tuple(values) for name, values in samples.items()},
            num_samples=count,
            seed=settings.seed,
        )


def choices(answers: Sequence[str], index: int, rng: np.random.Generator) -> list[str]:
    """All different answers, sorted; of more than 100, the one of question `index` and 99 others."""
    different = sorted(set(answers))
    if len(different) <= MOST_CHOICES:
        return different
    others = [answer for answer in different if answer != answers[index]]
    drawn = [others[i] for i in rng.choice(len(others), MOST_CHOICES - 1, replace=False)]
    return sorted([answers[index], *drawn])
