"""Caption: find a picture's own caption among sixteen, by likelihood."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opengato.agent.model import Agent
from opengato.evaluators import contract
from opengato.evaluators.choosing import CHOICES, log_probabilities, pointwise_information, rank_of
from opengato.evaluators.heldout import Picture, held_out_pictures, held_out_tasks
from opengato.evaluators.report import TaskResult
from opengato.evaluators.statistics import bootstrap_mean, proportion

METRIC = f"right caption of {CHOICES}"


class Evaluator(contract.Evaluator):
    """Accuracy of choosing a held-out picture's caption among 16: its own and 15 of other held-out pictures.

    A caption's score is log p(caption | picture) - log p(caption), summed over its tokens: pointwise mutual
    information, which does not favour short and common captions. p(caption) is the mean of p(caption | picture) over
    the pictures asked about. `plain` ranks by log p(caption | picture) alone. The choices depend on the seed and the
    picture; equal scores count as if drawn by lot.
    """

    counted = "plain rank"

    def families(self) -> list[str]:
        return ["caption"]

    def tasks(self, family: str) -> list[str]:
        return held_out_tasks(family)

    def num_samples(self, task_id: str, settings: contract.Settings) -> int:
        return len(held_out_pictures(task_id)[: settings.documents])

    def measure(self, agent: Agent, task_id: str, settings: contract.Settings) -> Iterator[tuple[str, float]]:
        """`rank` and `plain rank` (0 is right, 15 worst) of each picture's own caption, in order."""
        pictures = held_out_pictures(task_id)
        captions = sorted({picture.caption for picture in pictures})
        asked, rows = [], []
        for index, picture in enumerate(pictures[: settings.documents]):
            chosen = choices(pictures, index, np.random.default_rng((settings.seed, index)))
            asked.append(([captions.index(caption) for caption in chosen], chosen.index(picture.caption)))
            rows.append(log_probabilities(agent, [picture.episode(task_id, caption) for caption in captions]))
            columns, right = asked[-1]
            yield "plain rank", float(rank_of(right, [rows[-1][column] for column in columns]))
        information = pointwise_information(np.array(rows))
        for row, (columns, right) in zip(information, asked, strict=True):
            yield "rank", float(rank_of(right, row[columns].tolist()))

    def summarise(self, task_id: str, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
        """Accuracy with Wilson's interval, and the mean reciprocal rank."""
        ranks, plain = np.asarray(samples["rank"]), np.asarray(samples["plain rank"])
        return TaskResult(
            task=task_id,
            metric=METRIC,
            score=proportion(int((ranks == 0).sum()), len(ranks)),
            figures={
                "plain": proportion(int((plain == 0).sum()), len(plain)),
                "reciprocal rank": bootstrap_mean(1 / (1 + ranks), np.random.default_rng(settings.seed)),
            },
            references={"chance": 1 / CHOICES},
            samples={name: tuple(values) for name, values in samples.items()},
            num_samples=len(ranks),
            seed=settings.seed,
        )


def choices(pictures: list[Picture], index: int, rng: np.random.Generator) -> list[str]:
    """The caption of picture `index` and 15 different ones, shuffled; ValueError if there are too few."""
    own = pictures[index].caption
    others = sorted({picture.caption for picture in pictures} - {own})
    if len(others) < CHOICES - 1:
        raise ValueError(f"{len(others) + 1} different captions are held out, expected at least {CHOICES}")
    chosen = [own, *(others[i] for i in rng.choice(len(others), CHOICES - 1, replace=False))]
    return [chosen[i] for i in rng.permutation(CHOICES)]
