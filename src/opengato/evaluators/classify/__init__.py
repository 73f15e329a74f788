"""Classify: the label of what is shown or said, among all labels of the task, by likelihood."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from opengato.agent.model import Agent
from opengato.evaluators import contract
from opengato.evaluators.choosing import log_probabilities, pointwise_information
from opengato.evaluators.imported import ImportedEvaluator, baselines, held_out_episodes
from opengato.evaluators.replies import answer_of, with_answer
from opengato.evaluators.report import TaskResult
from opengato.evaluators.statistics import Interval, proportion

METRIC = "accuracy"
BATCH = 512  # items times labels


class Evaluator(ImportedEvaluator):
    """Accuracy and macro F1 over the held-out items of a corpus with labels, an item a step that writes its label.

    The answer is the label of the largest log p(label | item), summed over its tokens and the marker that ends it: the
    labels are whole texts of which one is true, so these are their probabilities, and to choose the largest is right
    most often. A mean over tokens would favour long labels, whose last tokens are sure once the first is read. The
    figure `informed` subtracts log p(label), the mean over the items: it does not favour frequent labels.
    """

    counted = "answer"
    measured = ("emotion", "label", "sentiment", "sound", "topic", "video")

    def measure(self, agent: Agent, task_id: str, settings: contract.Settings) -> Iterator[tuple[str, float]]:
        """`label`, `answer` and `informed answer` of each item, as indices into `labels_of`."""
        labels = labels_of(task_id, settings.data)
        episodes = iter(held_out_episodes(task_id, settings.data, documents=settings.documents, seed=settings.seed))
        rows: list[list[float]] = []
        while batch := list(itertools.islice(episodes, max(1, BATCH // len(labels)))):
            scores = log_probabilities(agent, [with_answer(episode, label) for episode in batch for label in labels])
            for number, episode in enumerate(batch):
                rows.append(scores[number * len(labels) : (number + 1) * len(labels)])
                yield "label", float(labels.index(answer_of(episode)))
                yield "answer", float(np.argmax(rows[-1]))
        for answer in pointwise_information(np.array(rows)).argmax(1):
            yield "informed answer", float(answer)

    def summarise(self, task_id: str, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
        """Accuracy with Wilson's interval; `majority` answers the most frequent label of the train split."""
        labels = labels_of(task_id, settings.data)
        truth, answers, informed = (
            np.asarray(samples[name], np.int64) for name in ("label", "answer", "informed answer")
        )
        majority = labels.index(most_frequent(task_id, settings.data))
        return TaskResult(
            task=task_id,
            metric=METRIC,
            score=proportion(int((truth == answers).sum()), len(truth)),
            figures={
                "macro F1": Interval(value=macro_f1(truth, answers)),
                "informed": proportion(int((truth == informed).sum()), len(truth)),
            },
            references={
                **baselines(task_id),
                "chance": 1 / len(labels),
                "majority": float((truth == majority).mean()),
            },
            samples={name: tuple(values) for name, values in samples.items()},
            num_samples=len(truth),
            seed=settings.seed,
            notes={"labels": ", ".join(labels)},
        )


@functools.cache
def _counts(task_id: str, data: Path) -> Counter[str]:
    """How often each label comes in the train split, and those that only come in the test split 0 times."""
    counts = Counter(answer_of(episode) for episode in held_out_episodes(task_id, data, "train"))
    for episode in held_out_episodes(task_id, data):
        counts[answer_of(episode)] += 0
    return counts


def labels_of(task_id: str, data: Path) -> list[str]:
    """All labels of a task, of both splits, sorted."""
    return sorted(_counts(task_id, data.resolve()))


def most_frequent(task_id: str, data: Path) -> str:
    """The label that comes most often in the train split; of equal ones the first in the alphabet."""
    counts = _counts(task_id, data.resolve())
    return min(counts, key=lambda label: (-counts[label], label))


def macro_f1(truth: Sequence[int] | np.ndarray, answers: Sequence[int] | np.ndarray) -> float:
    """The mean over the labels that are true or answered of F1 = 2 hits / (times true + times answered).

    >>> macro_f1([0, 0, 1], [0, 1, 1])
    0.6666666666666666
    """
    truth, answers = np.asarray(truth), np.asarray(answers)
    found = []
    for label in np.union1d(truth, answers):
        hits = ((truth == label) & (answers == label)).sum()
        found.append(2 * hits / ((truth == label).sum() + (answers == label).sum()))
    return float(np.mean(found))
