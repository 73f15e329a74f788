"""Classification of pictures: handwritten digits, each pixel an input, three ways to say where it is.

    opengato perceiver train digits            (Fourier codes of places)
    opengato perceiver train digits-learned    (learned places: nothing says which pixels are neighbours)
    opengato perceiver train digits-convolution
    opengato perceiver measure runs/perceiver-digits

[Jaegle et al. 2021, arXiv:2107.14795, app. A]. 5,000 digits of 28 x 28 pixels, a fifth held out, moved by up to two
pixels in training. Measured: the share of held-out digits that are right. Not yet trained to the end; two CPU cores
should need about ten minutes. Letters: B rows, H and W pixels, C channels, V classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from opengato.backbones.perceiver import inputs
from opengato.backbones.perceiver.inputs import Grid
from opengato.backbones.perceiver.io import IO, PerceiverIO
from opengato.backbones.perceiver.latents import Latents
from opengato.core.episode import Episode
from opengato.core.picture import as_rgb, decoded
from opengato.evaluators.imported import held_out_episodes
from opengato.nn.fourier import Fourier
from opengato.nn.stems import Convolution, Linear
from opengato.recipes.jobs.contract import Figures, JobRecipe, Settings, draws
from opengato.recipes.published.perceiver import classifier
from opengato.train import fitting
from opengato.train.optim import Config as OptimConfig

SIDE, CLASSES = 28, tuple("0123456789")
LATENTS = Latents(number=32, width=128, depth=3, blocks=2, heads=4)
INPUTS = {
    "": Grid(channels=3, place=Fourier(resolution=(SIDE, SIDE), bands=12)),
    "learned": Grid(channels=3, stem=Linear(width=32), place=inputs.Learned(places=SIDE * SIDE, width=32)),
    "convolution": Grid(channels=3, stem=Convolution(width=32), place=Fourier(resolution=(7, 7), bands=4)),
}


def network(kind: str = "") -> IO:
    """A classifier of pictures of 28 x 28 pixels."""
    return classifier("image", INPUTS[kind], LATENTS, len(CLASSES))


def pixels_of(episode: Episode) -> np.ndarray:
    """The picture (H, W, 3) of an episode."""
    return np.asarray(decoded(episode.observations["image"][0]))


def scaled(pixels_BHWC: Tensor) -> Tensor:
    """Colours from 0 to 255 as numbers from -1 to 1."""
    return pixels_BHWC.float() / 127.5 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureSettings(Settings):
    """The captions of `task` are `classes`; in training pictures are moved by up to `moved` pixels."""

    task: str = "label/mnist"
    classes: tuple[str, ...] = CLASSES
    side: int = SIDE
    moved: int = 2

    def training(self, data: Path, config: fitting.Config) -> fitting.Job:
        return PictureJob(self, config, held_out_episodes(self.task, data, split="train"))

    def answer(self, episode: Episode) -> int:
        """The number of the class that is right."""
        return self.classes.index(str(episode.actions["caption"][0]))

    def measure(self, network: PerceiverIO, data: Path, documents: int | None) -> Figures:
        """Accuracy on held-out pictures."""
        episodes = held_out_episodes(self.task, data, documents=documents)
        answers = np.array([self.answer(episode) for episode in episodes])
        said = np.concatenate(
            [
                chances(network, np.stack([pixels_of(episode) for episode in episodes[first : first + 64]])).argmax(1)
                for first in range(0, len(episodes), 64)
            ]
        )
        return {
            "accuracy": float((said == answers).mean()),
            "accuracy/most frequent": float(np.bincount(answers).max() / len(answers)),
        }

    def read(self, picture: Image.Image) -> np.ndarray:
        """A user's picture as (1, H, W, 3), in the size of the task."""
        return np.asarray(as_rgb(picture).resize((self.side, self.side), Image.Resampling.BICUBIC))[None]


@torch.inference_mode()
def chances(network: PerceiverIO, pixels_BHWC: np.ndarray) -> np.ndarray:
    """The probability of each class (B, V)."""
    given = {"image": scaled(torch.from_numpy(pixels_BHWC.copy()))}
    return network.ask(network.read(given), "class")[:, 0].softmax(-1).numpy()


class PictureJob(fitting.Job):
    """Pictures, moved."""

    def __init__(self, settings: PictureSettings, config: fitting.Config, episodes: Sequence[Episode]):
        self.settings, self.config = settings, config
        self.pixels_BHWC = np.stack([pixels_of(episode) for episode in episodes])
        self.answers = np.array([settings.answer(episode) for episode in episodes])

    def batch(self, step: int) -> fitting.Batch:
        generator, reach = draws(self.config.seed, step), self.settings.moved
        chosen = generator.integers(len(self.answers), size=self.config.batch)
        height, width = self.pixels_BHWC.shape[1:3]
        padded_BHWC = np.pad(self.pixels_BHWC[chosen], ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
        moved = [
            picture[top : top + height, left : left + width]
            for picture, (top, left) in zip(
                padded_BHWC, generator.integers(2 * reach + 1, size=(len(chosen), 2)), strict=True
            )
        ]
        return {"pixels": torch.from_numpy(np.stack(moved)), "answer": torch.from_numpy(self.answers[chosen])}

    def loss(self, network: Any, batch: fitting.Batch) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of the answer."""
        scores_BV = network.ask(network.read({"image": scaled(batch["pixels"])}), "class")[:, 0].float()
        loss = F.cross_entropy(scores_BV, batch["answer"])
        right = (scores_BV.argmax(1) == batch["answer"]).float().mean()
        return loss, {"loss/class": float(loss.detach()), "right": float(right)}


def recipe(kind: str = "") -> JobRecipe:
    """The whole job, with one of the three kinds of places."""
    optim = OptimConfig(learning_rate=1e-3, matrix_learning_rate=None, warmup=100)
    return JobRecipe(
        name="-".join(filter(None, ("digits", kind))),
        settings=PictureSettings(),
        fit=fitting.Config(network=network(kind), optim=optim, steps=4000, batch=32),
        imports=("mnist",),
    )


RECIPES = tuple(partial(recipe, kind) for kind in INPUTS)
