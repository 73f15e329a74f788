"""Masked language modelling on bytes: fill in the blank.

    opengato perceiver train language
    opengato perceiver measure runs/perceiver-language
    opengato perceiver fill "It was a truth universally ____________ed."

Each word is hidden with a probability of 15 %, all of its bytes, and every slot of the text is asked for
[Jaegle et al. 2021, arXiv:2107.14795, sec. 4.1 and app. E]. Texts are Jane Austen's, Shakespeare's, reviews of films
and the sentences of VADER, without those that are held out. Measured: bits a hidden byte, and how many are found at
once, beside the frequency of bytes. Not yet trained to the end; two CPU cores should need about 30 minutes.
Letters: B rows, T slots, N hidden ones, V ids.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from opengato.backbones.perceiver.io import IO, PerceiverIO
from opengato.backbones.perceiver.latents import Latents
from opengato.core.episode import Episode
from opengato.evaluators.imported import held_out_episodes
from opengato.recipes.jobs.byte_text import FIRST, MASK, NUM_IDS, ids_of, rows, with_gaps, words
from opengato.recipes.jobs.contract import Figures, JobRecipe, Settings, draws
from opengato.recipes.published import perceiver
from opengato.train import fitting
from opengato.train.optim import Config as OptimConfig

TASKS = (
    "text/austen",
    "text/shakespeare",
    "text/imdb",
    *(f"sentiment/vader-{part}" for part in ("movies", "amazon", "nyt", "tweets")),
)
LATENTS = Latents(number=64, width=256, depth=6, heads=8, cross_heads=8, qk_width=256, value_width=256)


def network(latents: Latents = LATENTS, width: int = 128, length: int = 256) -> IO:
    """The published language model with less of everything, its attention at first to what is near."""
    config = perceiver.language(latents, width=width, length=length, num_ids=NUM_IDS)
    return replace(config, decoder=replace(config.decoder, qk_width=width), near="text")


def text_in(episode: Episode) -> str:
    """What an episode of a corpus says: its observation if it has one, else what is written."""
    (text,) = (episode.observations or episode.actions).values()
    return str(text[0])


def length_of(config: IO) -> int:
    """How many bytes a network takes."""
    return config.inputs["text"].length


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageSettings(Settings):
    """Words of texts of `tasks` are hidden with probability `hidden`; `copy` weighs what is not hidden.

    To say again what it was shown makes a network keep each byte in a place of its own, which it needs to fill gaps.
    """

    tasks: tuple[str, ...] = TASKS
    hidden: float = 0.15
    copy: float = 1.0

    def training(self, data: Path, config: fitting.Config) -> fitting.Job:
        return LanguageJob(self, config, self.texts(data, "train", None))

    def texts(self, data: Path, split: str, documents: int | None) -> list[np.ndarray]:
        """Ids of all texts of a split, at most `documents` of each task."""
        episodes = [held_out_episodes(task, data, split=split, documents=documents) for task in self.tasks]
        return [ids_of(text_in(episode)) for found in episodes for episode in found]

    @torch.inference_mode()
    def measure(self, network: PerceiverIO, data: Path, documents: int | None) -> Figures:
        """On the beginning of each held-out text, hidden by a generator of its own."""
        length, nats, right, frequent, total = length_of(network.config), 0.0, 0, 0, 0
        texts = [ids[:length] for ids in self.texts(data, "test", documents)]
        counts_V = np.bincount(np.concatenate(texts), minlength=NUM_IDS)
        share_V = torch.from_numpy(counts_V / counts_V.sum()).clamp(min=1e-9)
        unigram = 0.0
        for number, ids in enumerate(texts):
            hidden_T = hide(ids, self.hidden, draws(1, number))
            target_N = torch.from_numpy(ids[hidden_T])
            scores_NV = scores(network, np.where(hidden_T, MASK, ids))[hidden_T]
            nats += float(F.cross_entropy(scores_NV, target_N, reduction="sum"))
            right += int((scores_NV.argmax(1) == target_N).sum())
            frequent += int((target_N == int(counts_V.argmax())).sum())
            unigram -= float(share_V[target_N].log().sum())
            total += len(target_N)
        per_byte = max(1, total) * math.log(2)
        return {
            "bits a hidden byte": nats / per_byte,
            "bits a hidden byte/frequency of bytes": unigram / per_byte,
            "found": right / max(1, total),
            "found/most frequent byte": frequent / max(1, total),
        }


def hide(ids: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    """Where bytes are hidden (T,): those of each word with probability `share`, of one word at least."""
    found = words(ids)
    chosen = generator.random(len(found)) < share
    if found and not chosen.any():
        chosen[int(generator.integers(len(found)))] = True
    hidden_T = np.zeros(len(ids), bool)
    for (first, last), is_hidden in zip(found, chosen, strict=True):
        hidden_T[first:last] = is_hidden
    return hidden_T


def scores(network: PerceiverIO, ids: np.ndarray) -> Tensor:
    """Scores (T, V) of one text with gaps."""
    ids_BT = torch.from_numpy(ids)[None]
    return network.ask(network.read({"text": ids_BT}), "text", torch.arange(len(ids)))[0]


@torch.inference_mode()
def fill(network: PerceiverIO, text: str) -> str:
    """A text with a byte in place of each underscore, the surest first, each seen by those after it.

    ValueError where it has no gap, or is too long.
    """
    ids = with_gaps(text)
    if not (ids == MASK).any():
        raise ValueError(f"{text!r} has no gap; write an underscore for each letter that is to be found")
    if len(ids) > length_of(network.config):
        raise ValueError(f"the text has {len(ids)} bytes, the network takes {length_of(network.config)}; cut it")
    while (gaps := np.flatnonzero(ids == MASK)).size:
        chance_NV = scores(network, ids)[gaps, FIRST:].softmax(-1)
        best_N, byte_N = chance_NV.max(-1)
        surest = int(best_N.argmax())
        ids[gaps[surest]] = int(byte_N[surest]) + FIRST
    return bytes((ids - FIRST).astype(np.uint8)).decode(errors="replace")


class LanguageJob(fitting.Job):
    """Pieces of texts with hidden words."""

    def __init__(self, settings: LanguageSettings, config: fitting.Config, texts: Sequence[np.ndarray]):
        self.settings, self.config = settings, config
        self.length = length_of(config.network)
        self.texts = [ids for ids in texts if len(words(ids))]
        # A long text is seen as often as its length says.
        self.chance = np.array([max(len(ids), 1) for ids in self.texts], np.float64)
        self.chance /= self.chance.sum()

    def batch(self, step: int) -> fitting.Batch:
        generator = draws(self.config.seed, step)
        chosen, hidden = [], []
        for number in generator.choice(len(self.texts), self.config.batch, p=self.chance):
            ids = self.texts[number]
            start = int(generator.integers(max(1, len(ids) - self.length + 1)))
            chosen.append(ids[start : start + self.length])
            hidden.append(hide(chosen[-1], self.settings.hidden, generator))
        ids_BT, real_BT = rows(chosen)
        hidden_BT = np.zeros(ids_BT.shape, bool)
        for row, hidden_T in enumerate(hidden):
            hidden_BT[row, : len(hidden_T)] = hidden_T
        return {"ids": ids_BT, "real": real_BT, "hidden": torch.from_numpy(hidden_BT)}

    def loss(self, network: Any, batch: fitting.Batch) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of what is hidden, and, times `copy`, of what is not."""
        ids_BT, hidden_BT = batch["ids"], batch["hidden"]
        read = network.read({"text": torch.where(hidden_BT, MASK, ids_BT)}, batch["real"])
        scores_BTV = network.ask(read, "text", torch.arange(ids_BT.shape[1], device=ids_BT.device)).float()
        hidden, shown = (
            F.cross_entropy(scores_BTV[at_BT], ids_BT[at_BT], reduction="sum") / at_BT.sum().clamp(min=1)
            for at_BT in (hidden_BT, batch["real"] & ~hidden_BT)
        )
        figures = {"loss/bytes": float(hidden.detach()), "loss/copied": float(shown.detach())}
        return hidden + self.settings.copy * shown, figures


def recipe() -> JobRecipe:
    """The whole job."""
    optim = OptimConfig(learning_rate=1e-3, matrix_learning_rate=None, warmup=200)
    return JobRecipe(
        name="language",
        settings=LanguageSettings(),
        fit=fitting.Config(network=network(), optim=optim, steps=4000, batch=32),
        imports=("austen", "shakespeare", "imdb", "vader"),
    )


RECIPES = (recipe,)
