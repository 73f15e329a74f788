"""Draw: how likely held-out pictures are, told their captions and told others; and what their ids keep of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from opengato.agent.model import Agent
from opengato.core.episode import objects
from opengato.core.views import DRAW, PICTURE, as_drawn, drawing_instruction, drawing_task, is_captioned_picture
from opengato.evaluators import contract
from opengato.evaluators.imported import baselines, known_tasks, unavailable
from opengato.evaluators.pairs import held_out_pairs, written
from opengato.evaluators.report import TaskResult
from opengato.evaluators.statistics import bootstrap_mean, proportion
from opengato.modalities.image.tokens import PictureTokens

METRIC = "bits per picture"
OTHER = "bits told another"
BY_LOT = "any id alike"


class Evaluator(contract.Evaluator):
    """Bits of the ids of a held-out picture given its caption, teacher forced, against given another's caption.

    The gain is what the caption tells the agent of the picture. `caption helps` is the share of pictures that are
    likelier with their own. `PSNR` is that of the codec alone, which no agent can better. The other caption is that of
    the next picture with a different one.
    """

    counted = METRIC

    def families(self) -> list[str]:
        return [DRAW]

    def tasks(self, family: str) -> list[str]:
        return [drawing_task(task) for task in known_tasks("caption")]

    def about(self, task_id: str) -> str:
        return f"caption/{task_id.partition('/')[2]}"

    def unfit(self, task_id: str, settings: contract.Settings | None = None) -> str | None:
        task, data = self.about(task_id), (settings or contract.Settings()).data
        why = unavailable(task, data)
        if why is None and not is_captioned_picture(held_out_pairs(task, data, 1)[0]):
            why = f"{task} has no captioned pictures to be drawn"
        return why

    def num_samples(self, task_id: str, settings: contract.Settings) -> int | None:
        return settings.documents

    def measure(self, agent: Agent, task_id: str, settings: contract.Settings) -> Iterator[tuple[str, float]]:
        """Bits of each picture told its own caption and told another, its PSNR, and the bits of ids drawn by lot."""
        pairs = held_out_pairs(self.about(task_id), settings.data)
        captions = [written(episode) for episode in pairs]
        codec = agent.modality(agent.serializer.layout.modality("action", PICTURE)).codec
        if not isinstance(codec, PictureTokens):
            raise ValueError(f"{type(codec).__name__} gives no ids of pictures; route `action/image` to `image.tokens`")
        yield BY_LOT, codec.cells * math.log2(codec.num_ids)
        for index, episode in enumerate(pairs[: settings.documents]):
            own = as_drawn(episode)
            other = replace(own, instruction=drawing_instruction(another(captions, index)))
            bits, bits_of_other = (float(nats.sum()) / math.log(2) for nats in agent.log_likelihood([own, other]))
            yield METRIC, bits
            yield OTHER, bits_of_other
            yield "PSNR", psnr_of(codec, own.actions[PICTURE.name][0])

    def summarise(self, task_id: str, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
        """Mean bits told the caption, with a bootstrap interval; what it saves; and what the codec keeps."""
        generator = np.random.default_rng(settings.seed)
        own, other = np.asarray(samples[METRIC]), np.asarray(samples[OTHER])
        return TaskResult(
            task=task_id,
            metric=METRIC,
            score=bootstrap_mean(samples[METRIC], generator),
            figures={
                "bits saved by the caption": bootstrap_mean((other - own).tolist(), generator),
                "caption helps": proportion(int((own < other).sum()), len(own)),
                "PSNR": bootstrap_mean(samples["PSNR"], generator),
            },
            references={
                "told another caption": float(other.mean()),
                BY_LOT: samples[BY_LOT][0],
                **baselines(task_id, self.about(task_id)),
            },
            samples={name: tuple(values) for name, values in samples.items()},
            num_samples=len(own),
            seed=settings.seed,
            higher_is_better=False,
            notes={"simple methods": "of ids of the shipped codec"},
        )


def another(captions: list[str], index: int) -> str:
    """The next caption, around the end, that is not that of `index`; ValueError where all are equal."""
    for step in range(1, len(captions)):
        caption = captions[(index + step) % len(captions)]
        if caption != captions[index]:
            return caption
    raise ValueError(f"all {len(captions)} captions are {captions[index]!r}; no other one can be told")


def psnr_of(codec: PictureTokens, picture: bytes) -> float:
    """Decibels between a picture, made square, and what its ids bring back: 10 log10(255^2 / mean squared error)."""
    square = codec.square(picture)
    back = codec.decode(codec.encode(objects([picture]), PICTURE, "action")[0], PICTURE)
    error = float(np.mean((square.astype(np.float64) - back) ** 2))
    return 10 * math.log10(255**2 / max(error, 1e-8))
