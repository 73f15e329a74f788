"""Translate: greedy translations of held-out lines, and how likely the true ones are."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator

import numpy as np

from opengato.agent.model import Agent
from opengato.core.episode import Episode
from opengato.evaluators import contract
from opengato.evaluators.imported import ImportedEvaluator, baselines, held_out_episodes
from opengato.evaluators.replies import answer_of, nats_and_bytes
from opengato.evaluators.report import TaskResult
from opengato.evaluators.statistics import Interval, bootstrap_mean, bootstrap_ratio, proportion

METRIC = "chrF of a line"
LONGEST = 128  # tokens of a translation
COPIED = "copied source"


class Evaluator(ImportedEvaluator):
    """chrF [Popovic 2015, doi:10.18653/v1/W15-3049] of greedy translations by sacrebleu, the mean over lines, percent.

    `corpus chrF` and `corpus BLEU` [Papineni et al. 2002, doi:10.3115/1073083.1073135] are those of all lines at once;
    `bits per byte` is of the true translation given the line, teacher forced; `stops` is the share of translations that
    end by themselves within 128 tokens. Beside it: the line itself, not translated.
    """

    counted = "chrF"
    measured = ("translate",)

    def unfit(self, task_id: str, settings: contract.Settings | None = None) -> str | None:
        if importlib.util.find_spec("sacrebleu") is None:
            return "chrF and BLEU need the package sacrebleu: run `pip install 'opengato[language]'`"
        return super().unfit(task_id, settings)

    def measure(self, agent: Agent, task_id: str, settings: contract.Settings) -> Iterator[tuple[str, float]]:
        """`chrF`, `copied chrF`, `stopped`, `nats`, `bytes` of each line, and once `corpus chrF` and `corpus BLEU`."""
        from sacrebleu.metrics import BLEU, CHRF  # the extra `language`

        episodes = held_out_episodes(task_id, settings.data, documents=settings.documents, seed=settings.seed)
        chrf, written, true = CHRF(), [], [answer_of(episode) for episode in episodes]
        for episode, reference in zip(episodes, true, strict=True):
            answer = agent.answer(episode, LONGEST)
            written.append(answer.text)
            yield "stopped", float(answer.stopped)
            yield "copied chrF", chrf.sentence_score(source_of(episode), [reference]).score
            yield "chrF", chrf.sentence_score(answer.text, [reference]).score
        yield "corpus chrF", chrf.corpus_score(written, [true]).score
        yield "corpus BLEU", BLEU().corpus_score(written, [true]).score
        for nats, size in nats_and_bytes(agent, episodes):
            yield "nats", nats
            yield "bytes", float(size)

    def summarise(self, task_id: str, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
        rng = np.random.default_rng(settings.seed)
        rate = bootstrap_ratio(samples["nats"], samples["bytes"], rng)
        return TaskResult(
            task=task_id,
            metric=METRIC,
            score=bootstrap_mean(samples["chrF"], rng),
            figures={
                "bits per byte": rate.scaled(0.0, math.log(2)),
                "stops": proportion(int(sum(samples["stopped"])), len(samples["stopped"])),
                **{name: Interval(value=samples[name][0]) for name in ("corpus chrF", "corpus BLEU")},
            },
            references={COPIED: float(np.mean(samples["copied chrF"])), **baselines(task_id)},
            samples={name: tuple(values) for name, values in samples.items()},
            num_samples=len(samples["chrF"]),
            seed=settings.seed,
        )


def source_of(episode: Episode) -> str:
    """The line to be translated; nothing where it is spoken."""
    texts = [name for name, spec in episode.observation_specs.items() if spec.kind == "text"]
    return " ".join(str(episode.observations[name][-1]) for name in texts)
