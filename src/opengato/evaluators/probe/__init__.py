"""Probe: what a linear layer makes of an agent's hidden states, with all labels and with few.

Letters: N items, D width, C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

from opengato.agent.model import Agent
from opengato.core.views import PROBE, task_about, task_on
from opengato.evaluators import contract
from opengato.evaluators.imported import baselines, held_out_episodes, imported_tasks, not_imported, num_held_out
from opengato.evaluators.replies import answer_of
from opengato.evaluators.report import TaskResult
from opengato.evaluators.statistics import proportion

FAMILIES = ("emotion", "label", "sentiment", "sound", "topic", "video")
METRIC = "accuracy of a linear probe"
FEW = {"with 1 % of the labels": 0.01, "with 10 % of the labels": 0.1}
ROUNDS = 200  # of LBFGS at most


class Evaluator(contract.Evaluator):
    """Accuracy on held-out items of a logistic regression on the agent's frozen features of the train split.

    `probe/label-mnist` asks this of the items of `label/mnist`. The features of an item are the mean hidden state over
    what is observed of it, read without instruction and without its label. Few labels are the first of an order drawn
    by the seed, so that they are the same for every agent; one of each class is among them where there are as many.
    """

    counted = "answer"
    from_stores = True

    def families(self) -> list[str]:
        return [PROBE]

    def tasks(self, family: str) -> list[str]:
        return sorted(task_on(family, task) for name in FAMILIES for task in imported_tasks(name))

    def unfit(self, task_id: str, settings: contract.Settings | None = None) -> str | None:
        return not_imported(task_about(task_id), (settings or contract.Settings()).data)

    def num_samples(self, task_id: str, settings: contract.Settings) -> int:
        return num_held_out(task_about(task_id), settings)

    def measure(self, agent: Agent, task_id: str, settings: contract.Settings) -> Iterator[tuple[str, float]]:
        """`label`, `answer` and the answers with few labels of each held-out item, as indices of sorted labels."""
        task = task_about(task_id)
        train = held_out_episodes(task, settings.data, "train")
        test = held_out_episodes(task, settings.data, documents=settings.documents, seed=settings.seed)
        labels = sorted({answer_of(episode) for episode in (*train, *test)})
        known_N, truth_N = (np.array([labels.index(answer_of(e)) for e in part]) for part in (train, test))
        seen_ND, new_ND = agent.features(train), agent.features(test)
        order_N = np.random.default_rng(settings.seed).permutation(len(train))
        for label, answer in zip(truth_N, probe(seen_ND, known_N, new_ND), strict=True):
            yield "label", float(label)
            yield "answer", float(answer)
        for name, share in FEW.items():
            few = first_of_each(order_N, known_N, share)
            for answer in probe(seen_ND[few], known_N[few], new_ND):
                yield name, float(answer)

    def summarise(self, task_id: str, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
        """Accuracy with Wilson's interval; `majority` answers what is most frequent among the held-out items."""
        truth = np.asarray(samples["label"])
        hits = {name: int((truth == np.asarray(samples[name])).sum()) for name in ("answer", *FEW)}
        return TaskResult(
            task=task_id,
            metric=METRIC,
            score=proportion(hits["answer"], len(truth)),
            figures={name: proportion(hits[name], len(truth)) for name in FEW},
            references={
                **baselines(task_about(task_id)),
                "majority": max(Counter(truth.tolist()).values()) / len(truth),
            },
            samples={name: tuple(values) for name, values in samples.items()},
            num_samples=len(truth),
            seed=settings.seed,
        )


def first_of_each(order_N: np.ndarray, label_N: np.ndarray, share: float) -> np.ndarray:
    """Indices of a share of the items, in an order; the first of each class come first."""
    count = max(1, round(share * len(order_N)))
    _, firsts = np.unique(label_N[order_N], return_index=True)
    rest = np.setdiff1d(np.arange(len(order_N)), firsts)
    return order_N[np.concatenate([np.sort(firsts), rest])[:count]]


def probe(x_ND: np.ndarray, label_N: np.ndarray, new_ND: np.ndarray) -> np.ndarray:
    """Answers for new features of the logistic regression that minimises mean cross-entropy + |W|^2 / (2 N).

    Features are standardised by those that it is fitted to.
    """
    known, class_N = np.unique(label_N, return_inverse=True)
    if len(known) == 1:
        return np.full(len(new_ND), known[0])
    mean, deviation = x_ND.mean(0), x_ND.std(0) + 1e-6
    inputs_ND = torch.from_numpy((x_ND - mean) / deviation).double()
    target_N = torch.from_numpy(class_N)
    weight = torch.zeros(len(known), x_ND.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(known), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(F.linear(inputs_ND, weight, bias), target_N)
        value = value + weight.square().sum() / (2 * len(inputs_ND))
        value.backward()
        return value

    optimizer.step(loss)
    with torch.no_grad():
        score_NC = F.linear(torch.from_numpy((new_ND - mean) / deviation).double(), weight, bias)
    return known[score_NC.argmax(1).numpy()]
