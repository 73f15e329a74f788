"""Retrieve: find the picture that a caption is of, and the caption of a picture; or the second half of a passage.

Letters: Q queries, C candidates, T all texts, V words, D numbers of an embedding.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from opengato.agent.model import Agent
from opengato.core.episode import Episode
from opengato.core.views import RETRIEVE, retrieval_task, task_about
from opengato.evaluators import contract
from opengato.evaluators.heldout import held_out_tasks, held_out_text
from opengato.evaluators.imported import baselines, known_tasks, unavailable
from opengato.evaluators.pairs import held_out_pairs, shown, written
from opengato.evaluators.report import TaskResult
from opengato.evaluators.statistics import Interval, proportion

FAMILIES = ("caption", "speech")
DEPTHS = (1, 5, 10)
THERE, BACK = "by text", "of text"
PASSAGES, WORDS = 200, 80  # of a text at most, and words of each, half of which are the query


class Evaluator(contract.Evaluator):
    """Recall at 1, 5 and 10, both ways, among all held-out pairs of a task, by the cosine of `agent.embed`.

    `by text` asks with a text for a picture or a sound, `of text` the other way round. Equal captions are one
    candidate, and any of their pictures is right. Of a text alone, the first half of a passage asks for the second;
    beside it stands what TF-IDF finds.
    """

    counted = f"rank {THERE}"
    needs_no_training = True

    def families(self) -> list[str]:
        return [RETRIEVE]

    def tasks(self, family: str) -> list[str]:
        return sorted(retrieval_task(task) for part in (*FAMILIES, "text") for task in sources_of(part))

    def about(self, task_id: str) -> str:
        return task_about(task_id)

    def unfit(self, task_id: str, settings: contract.Settings | None = None) -> str | None:
        return unavailable(self.about(task_id), (settings or contract.Settings()).data)

    def num_samples(self, task_id: str, settings: contract.Settings) -> int | None:
        return None

    def measure(self, agent: Agent, task_id: str, settings: contract.Settings) -> Iterator[tuple[str, float]]:
        """The rank (0 is right) of the right candidate of each query, both ways; and how many candidates there were."""
        task = self.about(task_id)
        if task.startswith("text/"):
            pairs = halves(held_out_text(task))[: settings.documents]
            asked, found = [[first] for first, _ in pairs], [[second] for _, second in pairs]
            right = np.eye(len(pairs), dtype=bool)
            plain = ranks(tf_idf([first for first, _ in pairs], [second for _, second in pairs]), right)
            yield from (("rank of TF-IDF", float(rank)) for rank in plain)
        else:
            episodes = held_out_pairs(task, settings.data, settings.documents)
            texts, right = questions(episodes)
            asked, found = [[text] for text in texts], [list(shown(episode)) for episode in episodes]
        cosine = cosines(agent.embed(asked), agent.embed(found))
        yield from ((f"rank {THERE}", float(rank)) for rank in ranks(cosine, right))
        yield from ((f"rank {BACK}", float(rank)) for rank in ranks(cosine.T, right.T))
        yield "candidates", float(right.shape[1])

    def summarise(self, task_id: str, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
        """Recall at 10 by text, with Wilson's interval, the other recalls, and what chance and TF-IDF find."""
        there = np.asarray(samples[f"rank {THERE}"])
        figures = {
            f"recall at {depth} {way}": recall(samples[f"rank {way}"], depth)
            for way in (THERE, BACK)
            for depth in DEPTHS
        }
        score = figures.pop(f"recall at {DEPTHS[-1]} {THERE}")
        chance = min(1.0, DEPTHS[-1] / samples["candidates"][0])
        references = {"chance": chance, **baselines(task_id, self.about(task_id))}
        if "rank of TF-IDF" in samples:
            references["TF-IDF"] = recall(samples["rank of TF-IDF"], DEPTHS[-1]).value
        return TaskResult(
            task=task_id,
            metric=f"recall at {DEPTHS[-1]} {THERE}",
            score=score,
            figures=figures,
            references=references,
            samples={name: tuple(values) for name, values in samples.items()},
            num_samples=len(there),
            seed=settings.seed,
            notes={"candidates": f"{samples['candidates'][0]:.0f}"},
        )


def sources_of(part: str) -> list[str]:
    """The tasks of a family whose held-out parts are pairs, or can be cut into such."""
    return held_out_tasks("text") if part == "text" else known_tasks(part)


def questions(episodes: Sequence[Episode]) -> tuple[list[str], np.ndarray]:
    """The different texts of pairs, sorted, and which pairs (Q, C) each of them is of."""
    texts = sorted({written(episode) for episode in episodes})
    return texts, np.array([[text == written(episode) for episode in episodes] for text in texts])


def recall(found: Sequence[float], depth: int) -> Interval:
    """The share of queries whose right candidate is among the first `depth`."""
    return proportion(int((np.asarray(found) < depth).sum()), len(found))


def cosines(one_QD: np.ndarray, other_CD: np.ndarray) -> np.ndarray:
    """Cosines (Q, C) of vectors of D numbers."""
    one_QD, other_CD = (v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12) for v in (one_QD, other_CD))
    return one_QD @ other_CD.T


def ranks(score_QC: np.ndarray, right_QC: np.ndarray) -> np.ndarray:
    """How many wrong candidates come before the best right one (Q,): better ones, and equal ones that stand before."""
    index_C = np.arange(score_QC.shape[1])
    found = []
    for score_C, right_C in zip(score_QC, right_QC, strict=True):
        best = int(np.flatnonzero(right_C)[np.argmax(score_C[right_C])])
        before_C = (score_C > score_C[best]) | ((score_C == score_C[best]) & (index_C < best))
        found.append(int((before_C & ~right_C).sum()))
    return np.array(found)


def halves(text: str) -> list[tuple[str, str]]:
    """Passages of a text, each cut in the middle, in order; passages that are too short to be told are left out."""
    words = text.split()
    passages = [words[first : first + WORDS] for first in range(0, len(words) - WORDS + 1, WORDS)][:PASSAGES]
    return [(" ".join(part[: WORDS // 2]), " ".join(part[WORDS // 2 :])) for part in passages]


def tf_idf(queries: Sequence[str], candidates: Sequence[str]) -> np.ndarray:
    """Cosines (Q, C) of bags of words; a word weighs (1 + log count) * (log((1 + C) / (1 + those with it)) + 1)."""
    bags = [Counter(re.findall(r"\w+", text.lower())) for text in (*queries, *candidates)]
    among = Counter(word for bag in bags[len(queries) :] for word in bag)
    place = {word: number for number, word in enumerate(sorted({word for bag in bags for word in bag}))}
    weight_TV = np.zeros((len(bags), len(place)))
    for row, bag in enumerate(bags):
        for word, count in bag.items():
            rare = math.log((1 + len(candidates)) / (1 + among[word])) + 1
            weight_TV[row, place[word]] = (1 + math.log(count)) * rare
    return cosines(weight_TV[: len(queries)], weight_TV[len(queries) :])
