"""Classification of texts by their bytes: sentences and ends of film reviews, positive or negative.

    opengato perceiver train language
    opengato perceiver train sentiment fit.begin=runs/perceiver-language
    opengato perceiver measure runs/perceiver-sentiment

One learned query is asked [Jaegle et al. 2021, arXiv:2107.14795, sec. 4.1]. With `fit.begin` it starts from the network
that learned to fill in blanks, without from nothing: the difference is what that was good for. Measured: the share of
held-out sentences (of VADER) that are right, beside the more frequent answer. Not yet trained to the end.
Letters: B rows, T slots, V classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from opengato.backbones.perceiver.io import IO, PerceiverIO
from opengato.core.episode import Episode
from opengato.evaluators.imported import held_out_episodes
from opengato.recipes.jobs import language
from opengato.recipes.jobs.byte_text import NUM_IDS, ids_of, rows
from opengato.recipes.jobs.contract import Figures, JobRecipe, Settings, draws
from opengato.recipes.published import perceiver
from opengato.train import fitting
from opengato.train.optim import Config as OptimConfig

CLASSES = ("negative", "positive")


def network(width: int = 128, length: int = 256) -> IO:
    """The latents of the language job, and one query."""
    config = perceiver.text_classifier(len(CLASSES), language.LATENTS, width=width, length=length, num_ids=NUM_IDS)
    return replace(config, near="text")


@dataclass(frozen=True, kw_only=True, slots=True)
class SentimentSettings(Settings):
    """The answers of `task`, and of what is learnt `beside` it, are `classes`; training hides a share of the words."""

    task: str = "sentiment/vader-movies"
    beside: tuple[str, ...] = ("sentiment/imdb",)
    classes: tuple[str, ...] = CLASSES
    hidden: float = 0.1

    def training(self, data: Path, config: fitting.Config) -> fitting.Job:
        found = [held_out_episodes(task, data, split="train") for task in (self.task, *self.beside)]
        return SentimentJob(self, config, [episode for episodes in found for episode in episodes])

    def answer(self, episode: Episode) -> int:
        """The number of the class that is right."""
        return self.classes.index(str(episode.actions["answer"][0]))

    def measure(self, network: PerceiverIO, data: Path, documents: int | None) -> Figures:
        """Accuracy on held-out texts."""
        episodes = held_out_episodes(self.task, data, documents=documents)
        answers = np.array([self.answer(episode) for episode in episodes])
        said = np.array([int(chances(network, language.text_in(episode)).argmax()) for episode in episodes])
        most = int(np.bincount(answers, minlength=len(self.classes)).argmax())
        return {
            "accuracy": float((said == answers).mean()),
            "accuracy/most frequent": float((answers == most).mean()),
        }


@torch.inference_mode()
def chances(network: PerceiverIO, text: str) -> Tensor:
    """The probability of each class (V,) of one text, of whose bytes the last count: there a review has its verdict."""
    ids_BT = torch.from_numpy(ids_of(text)[-language.length_of(network.config) :])[None]
    if not ids_BT.shape[1]:
        raise ValueError("received an empty text, expected at least a letter")
    return network.ask(network.read({"text": ids_BT}), "class")[0, 0].softmax(-1)


class SentimentJob(fitting.Job):
    """Texts, each class as often as it comes."""

    def __init__(self, settings: SentimentSettings, config: fitting.Config, episodes: Sequence[Episode]):
        self.settings, self.config = settings, config
        length = language.length_of(config.network)
        self.texts = [ids_of(language.text_in(episode))[-length:] for episode in episodes]
        self.answers = np.array([settings.answer(episode) for episode in episodes])

    def batch(self, step: int) -> fitting.Batch:
        generator = draws(self.config.seed, step)
        chosen = generator.integers(len(self.texts), size=self.config.batch)
        texts = []
        for number in chosen:
            ids = self.texts[number]
            if self.settings.hidden:
                ids = np.where(language.hide(ids, self.settings.hidden, generator), language.MASK, ids)
            texts.append(ids)
        ids_BT, real_BT = rows(texts)
        return {"ids": ids_BT, "real": real_BT, "answer": torch.from_numpy(self.answers[chosen])}

    def loss(self, network: Any, batch: fitting.Batch) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of the answer."""
        scores_BV = network.ask(network.read({"text": batch["ids"]}, batch["real"]), "class")[:, 0].float()
        loss = F.cross_entropy(scores_BV, batch["answer"])
        right = (scores_BV.argmax(1) == batch["answer"]).float().mean()
        return loss, {"loss/class": float(loss.detach()), "right": float(right)}


def recipe() -> JobRecipe:
    """The whole job."""
    optim = OptimConfig(learning_rate=3e-4, matrix_learning_rate=None, warmup=100, weight_decay=0.1)
    return JobRecipe(
        name="sentiment",
        settings=SentimentSettings(),
        fit=fitting.Config(network=network(), optim=optim, steps=3000, batch=32),
        imports=("vader", "imdb"),
    )


RECIPES = (recipe,)
