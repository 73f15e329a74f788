"""Caption: which of sixteen captions belongs to a held-out picture, and what the agent writes by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from opengato.agent.model import Agent
from opengato.core.episode import Episode
from opengato.evaluators import contract
from opengato.evaluators.caption.cider import cider, words_of
from opengato.evaluators.choosing import CHOICES, log_probabilities, pointwise_information, rank_of
from opengato.evaluators.heldout import held_out_pictures, held_out_tasks
from opengato.evaluators.imported import baselines, held_out_episodes, known_tasks, unavailable
from opengato.evaluators.replies import answer_of, with_answer
from opengato.evaluators.report import TaskResult
from opengato.evaluators.statistics import Interval, bootstrap_mean, proportion

METRIC = f"right caption of {CHOICES}"
LONGEST = 48  # tokens of a caption
MOST_ASKED = 200  # pictures of an imported corpus: each is asked about with every caption


class Evaluator(contract.Evaluator):
    """Accuracy of choosing a held-out picture's caption among 16: its own and 15 of other held-out pictures.

    A caption's score is log p(caption | picture) - log p(caption), summed over its tokens: pointwise mutual
    information, which does not favour short and common captions. p(caption) is the mean of p(caption | picture) over
    the pictures asked about. `plain` ranks by log p(caption | picture) alone. The choices depend on the seed and the
    picture; equal scores count as if drawn by lot.

    Of greedy captions, `CIDEr` (CIDEr-D, 0 to 10) and `BLEU-4` (of the corpus, percent, by sacrebleu) compare with the
    one that a person wrote, and `stops` is the share that ends by itself within 48 tokens. Pictures are those of the
    shipped sample; of other corpora, held-out ones of the import, at most 200 drawn by the seed.
    """

    counted = "plain rank"
    from_stores = True

    def families(self) -> list[str]:
        return ["caption"]

    def tasks(self, family: str) -> list[str]:
        return known_tasks(family)

    def unfit(self, task_id: str, settings: contract.Settings | None = None) -> str | None:
        settings = settings or contract.Settings()
        why = unavailable(task_id, settings.data)
        if why is None and task_id not in held_out_tasks("caption"):
            different = len({answer_of(episode) for episode in pictures_of(task_id, settings)})
            if different < CHOICES:
                why = f"{different} different captions are held out, expected at least {CHOICES}"
        return why

    def num_samples(self, task_id: str, settings: contract.Settings) -> int:
        return len(pictures_of(task_id, settings)[: settings.documents])

    def measure(self, agent: Agent, task_id: str, settings: contract.Settings) -> Iterator[tuple[str, float]]:
        """`rank` and `plain rank` (0 is right, 15 worst) of each picture's own caption, in order; then as written."""
        pictures = pictures_of(task_id, settings)
        own = [answer_of(picture) for picture in pictures]
        captions = sorted(set(own))
        asked, rows = [], []
        for index, picture in enumerate(pictures[: settings.documents]):
            chosen = choices(own, index, np.random.default_rng((settings.seed, index)))
            asked.append(([captions.index(caption) for caption in chosen], chosen.index(own[index])))
            rows.append(log_probabilities(agent, [with_answer(picture, caption) for caption in captions]))
            columns, right = asked[-1]
            yield "plain rank", float(rank_of(right, [rows[-1][column] for column in columns]))
        information = pointwise_information(np.array(rows))
        for row, (columns, right) in zip(information, asked, strict=True):
            yield "rank", float(rank_of(right, row[columns].tolist()))
        written = [agent.answer(picture, LONGEST) for picture in pictures[: settings.documents]]
        texts = [answer.text for answer in written]
        yield from (("stopped", float(answer.stopped)) for answer in written)
        yield from (("CIDEr", score) for score in cider(texts, [[caption] for caption in own[: settings.documents]]))
        yield from (("BLEU-4", score) for score in bleu(texts, own[: settings.documents]))

    def summarise(self, task_id: str, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
        """Accuracy with Wilson's interval, the mean reciprocal rank, and what greedy captions are worth."""
        ranks, plain = np.asarray(samples["rank"]), np.asarray(samples["plain rank"])
        bleu_4 = samples.get("BLEU-4", ())
        return TaskResult(
            task=task_id,
            metric=METRIC,
            score=proportion(int((ranks == 0).sum()), len(ranks)),
            figures={
                "plain": proportion(int((plain == 0).sum()), len(plain)),
                "reciprocal rank": bootstrap_mean(1 / (1 + ranks), np.random.default_rng(settings.seed)),
                "CIDEr": bootstrap_mean(samples["CIDEr"], np.random.default_rng(settings.seed)),
                **({"BLEU-4": Interval(value=bleu_4[0])} if bleu_4 else {}),
                "stops": proportion(int(sum(samples["stopped"])), len(samples["stopped"])),
            },
            references={"chance": 1 / CHOICES, **baselines(task_id)},
            samples={name: tuple(values) for name, values in samples.items()},
            num_samples=len(ranks),
            seed=settings.seed,
            notes={} if bleu_4 else {"BLEU-4": "needs sacrebleu: pip install 'opengato[language]'"},
        )


def pictures_of(task_id: str, settings: contract.Settings) -> list[Episode]:
    """The documents whose captions are asked about: those of the shipped sample, else of an imported corpus."""
    if task_id in held_out_tasks("caption"):
        return [picture.episode(task_id, picture.caption) for picture in held_out_pictures(task_id)]
    return held_out_episodes(task_id, settings.data, documents=MOST_ASKED, seed=settings.seed)


def choices(captions: Sequence[str], index: int, rng: np.random.Generator) -> list[str]:
    """The caption of picture `index` and 15 different ones, shuffled; ValueError if there are too few."""
    own = captions[index]
    others = sorted(set(captions) - {own})
    if len(others) < CHOICES - 1:
        raise ValueError(f"{len(others) + 1} different captions are held out, expected at least {CHOICES}")
    chosen = [own, *(others[i] for i in rng.choice(len(others), CHOICES - 1, replace=False))]
    return [chosen[i] for i in rng.permutation(CHOICES)]


def bleu(written: Sequence[str], true: Sequence[str]) -> Iterator[float]:
    """BLEU-4 of all captions at once [Papineni et al. 2002, doi:10.3115/1073083.1073135]; nothing without sacrebleu."""
    try:
        from sacrebleu.metrics import BLEU
    except ImportError:
        return
    mine, theirs = ([" ".join(words_of(text)) for text in texts] for texts in (written, true))
    yield BLEU(tokenize="none", force=True).corpus_score(mine, [theirs]).score
