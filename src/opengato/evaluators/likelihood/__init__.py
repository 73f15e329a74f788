"""Likelihood: bits per byte of held-out text, which no change of tokenizer can flatter."""

from __future__ import annotations

import itertools
import lzma
import math
from collections.abc import Iterator

import numpy as np

from opengato.agent.model import Agent
from opengato.evaluators import contract
from opengato.evaluators.heldout import TEXTS, held_out_text
from opengato.evaluators.imported import held_out_episodes, known_tasks, unavailable
from opengato.evaluators.likelihood.windows import TextWindows
from opengato.evaluators.replies import answer_of
from opengato.evaluators.report import TaskResult
from opengato.evaluators.statistics import bootstrap_ratio

METRIC = "bits per byte"
BATCH = 32


class Evaluator(contract.Evaluator):
    """bits per byte = -sum of log2 p(token | text before it) / UTF-8 bytes of the text, teacher forced.

    The text is read in windows that fit the agent's context and overlap by half, so that all but the first tokens see
    at least half a context; each byte is scored in exactly one window. The marker that ends a document is no byte and
    not scored. Beside it: the entropy of the frequencies of these bytes, and xz -9e of them, which starts knowing no
    language. The text is that of the shipped sample, or the held-out documents of an imported corpus, each read alone,
    which xz reads as one.
    """

    counted = "bytes"
    from_stores = True

    def families(self) -> list[str]:
        return ["text"]

    def tasks(self, family: str) -> list[str]:
        return known_tasks(family)

    def unfit(self, task_id: str, settings: contract.Settings | None = None) -> str | None:
        return unavailable(task_id, (settings or contract.Settings()).data)

    def num_samples(self, task_id: str, settings: contract.Settings) -> int | None:
        return settings.documents if task_id in TEXTS else None

    def measure(self, agent: Agent, task_id: str, settings: contract.Settings) -> Iterator[tuple[str, float]]:
        """`nats` and `bytes` of each window, in order."""
        windows = TextWindows(agent.serializer, agent.context)
        pieces = itertools.chain.from_iterable(map(windows.cut, texts_of(task_id, settings)))
        if task_id in TEXTS:
            pieces = itertools.islice(pieces, settings.documents)
        while batch := list(itertools.islice(pieces, BATCH)):
            documents = [piece.document(task_id) for piece in batch]
            for piece, nats in zip(batch, agent.log_likelihood(documents), strict=True):
                if len(nats) != piece.num_rows:
                    raise ValueError(
                        f"the agent scored {len(nats)} rows of a window that its tokenizer cuts into {piece.num_rows}"
                    )
                yield "nats", float(np.sum(nats[piece.scored], dtype=np.float64))
                yield "bytes", float(piece.num_bytes)

    def summarise(self, task_id: str, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
        """Bits per byte over all windows, with a bootstrap interval over windows."""
        num_bytes = int(sum(samples["bytes"]))
        scored = "".join(texts_of(task_id, settings)).encode()[:num_bytes]
        rate = bootstrap_ratio(samples["nats"], samples["bytes"], np.random.default_rng(settings.seed))
        return TaskResult(
            task=task_id,
            metric=METRIC,
            score=rate.scaled(0.0, math.log(2)),
            figures={},
            references={"frequencies of bytes": entropy_of_bytes(scored), "xz -9e": xz_bits_per_byte(scored)},
            samples={name: tuple(values) for name, values in samples.items()},
            num_samples=len(samples["bytes"]),
            seed=settings.seed,
            higher_is_better=False,
            notes={"bytes": f"{num_bytes:,}"},
        )


def texts_of(task_id: str, settings: contract.Settings) -> list[str]:
    """What is to be read: the text of the shipped sample, or documents, at most `settings.documents`."""
    if task_id in TEXTS:
        return [held_out_text(task_id)]
    episodes = held_out_episodes(task_id, settings.data, documents=settings.documents, seed=settings.seed)
    return [answer_of(episode) for episode in episodes]


def xz_bits_per_byte(data: bytes) -> float:
    """Size of `data` after `xz -9e`, in bits per byte of `data`."""
    return 8 * len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)) / len(data)


def entropy_of_bytes(data: bytes) -> float:
    """Bits per byte of a code that knows how often each byte comes in `data`, and nothing else.

    >>> entropy_of_bytes(b"aaab")
    0.8112781244591328
    """
    counts = np.bincount(np.frombuffer(data, np.uint8))
    shares = counts[counts > 0] / len(data)
    return float(-(shares * np.log2(shares)).sum())
