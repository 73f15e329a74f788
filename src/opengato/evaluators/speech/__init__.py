"""Speech: greedy transcripts of held-out recordings, and how likely the true ones are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from opengato.agent.model import Agent
from opengato.evaluators import contract
from opengato.evaluators.imported import ImportedEvaluator, baselines, held_out_episodes
from opengato.evaluators.pairs import shown
from opengato.evaluators.replies import answer_nats, answer_of
from opengato.evaluators.report import TaskResult
from opengato.evaluators.statistics import bootstrap_ratio, proportion
from opengato.sources.speech import transcript

METRIC = "word error rate"
LONGEST = 192  # tokens of a transcript


class Evaluator(ImportedEvaluator):
    """WER = (words substituted + left out + put in) / words said, over all recordings; it may exceed 1.

    `character error rate` is the same of letters and spaces. Both compare what `sources.speech.transcript` leaves of a
    text: lower case, no punctuation. `bits per character` is of the true transcript and the marker that ends it,
    teacher forced; `stops` is the share of transcripts that end by themselves within 192 tokens; `spelt` is the word
    error rate of what a CTC head spells, where the agent has one. What an agent spells that cannot write is its
    transcript, and has no `bits` and no `stops`. Beside it: nothing written, which leaves out every
    word.
    """

    counted = "words"
    measured = ("speech",)

    def measure(self, agent: Agent, task_id: str, settings: contract.Settings) -> Iterator[tuple[str, float]]:
        """`word edits`, `words`, `character edits`, `characters`, `stopped`, `nats` of each recording."""
        episodes = held_out_episodes(task_id, settings.data, documents=settings.documents, seed=settings.seed)
        for episode in episodes:
            said = transcript(answer_of(episode))
            heard = None if agent.ctc is None else transcript(agent.spell(shown(episode)[-1]))
            if agent.writes or heard is None:
                answer = agent.answer(episode, LONGEST)
                written = transcript(answer.text)
                yield "stopped", float(answer.stopped)
                if heard is not None:
                    yield "spelt word edits", float(edits(heard.split(), said.split()))
            else:
                written = heard
            yield "word edits", float(edits(written.split(), said.split()))
            yield "words", float(len(said.split()))
            yield "character edits", float(edits(written, said))
            yield "characters", float(len(said))
        for nats in answer_nats(agent, episodes) if agent.writes else ():
            yield "nats", float(np.sum(nats, dtype=np.float64))

    def summarise(self, task_id: str, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
        """Rates over all recordings, with bootstrap intervals over recordings."""
        rng = np.random.default_rng(settings.seed)
        figures = {"character error rate": bootstrap_ratio(samples["character edits"], samples["characters"], rng)}
        if "nats" in samples:
            bits = bootstrap_ratio(samples["nats"], samples["characters"], rng).scaled(0.0, math.log(2))
            stops = proportion(int(sum(samples["stopped"])), len(samples["stopped"]))
            figures |= {"bits per character": bits, "stops": stops}
        if "spelt word edits" in samples:
            figures["spelt"] = bootstrap_ratio(samples["spelt word edits"], samples["words"], rng)
        return TaskResult(
            task=task_id,
            metric=METRIC,
            score=bootstrap_ratio(samples["word edits"], samples["words"], rng),
            figures=figures,
            references={"empty": 1.0, **baselines(task_id)},
            samples={name: tuple(values) for name, values in samples.items()},
            num_samples=len(samples["words"]),
            seed=settings.seed,
            higher_is_better=False,
        )


def edits(written: Sequence[str], said: Sequence[str]) -> int:
    """The fewest items to substitute, leave out or put in that turn one sequence into the other.

    [Levenshtein 1966; Wagner & Fischer 1974, doi:10.1145/321796.321811].
    """
    row = list(range(len(said) + 1))
    for i, mine in enumerate(written, 1):
        diagonal, row[0] = row[0], i
        for j, theirs in enumerate(said, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (mine != theirs))
    return row[-1]
