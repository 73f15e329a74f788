"""The network of a command: of a run of ours, of a folder that transformers wrote, or of the hub.

Letters: B rows, H and W pixels, C channels, V classes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from opengato.backbones.perceiver.io import PerceiverIO
from opengato.core.config import from_json
from opengato.core.picture import as_rgb
from opengato.recipes.jobs import digits, sentiment
from opengato.recipes.published import CONFIG, hub, load_transformers
from opengato.recipes.published.weights import classes
from opengato.train import fitting

# Of the published classifiers: the middle of 224/256 of the shorter side, colours by mean and deviation of ImageNet.
SIDE, MIDDLE = 224, 224 / 256
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Weights:
    """A network, and what is known of it: the settings of its job if it was trained here, else names of classes."""

    network: PerceiverIO
    settings: Any
    labels: tuple[str, ...]

    def needs(self, source: str, output: str) -> PerceiverIO:
        """The network; ValueError where it takes or gives something else than a command asks for."""
        config = self.network.config
        if source not in config.inputs or output not in config.outputs:
            raise ValueError(
                f"these weights take {', '.join(config.inputs)} and give {', '.join(config.outputs)}; expected some "
                f"that take {source} and give {output}"
            )
        return self.network


def load(name: str) -> Weights:
    """By the folder of a run or of transformers, or a name on the hub; published weights as their authors' program."""
    folder = hub.find(name)
    config = folder / CONFIG
    if config.is_file() and "architectures" in (facts := json.loads(config.read_text(encoding="utf-8"))):
        network = load_transformers(folder, original=True)
        if not isinstance(network, PerceiverIO):
            raise ValueError(f"{name!r} holds a {facts['architectures'][0]}, expected a Perceiver")
        numbers = facts.get("id2label", {str(i): str(i) for i in range(classes(facts))})
        return Weights(network, None, tuple(numbers[key] for key in sorted(numbers, key=int)))
    network, card = fitting.load_network(folder)
    if not isinstance(network, PerceiverIO) or "settings" not in card:
        raise ValueError(f"the card in {name!r} names no job; expected the folder of a finished run")
    settings = from_json(card["settings"])
    known = isinstance(settings, digits.PictureSettings | sentiment.SentimentSettings)
    return Weights(network, settings, settings.classes if known else ())


def text_classes(weights: Weights, text: str) -> np.ndarray:
    """The probability of each class (V,) of a text."""
    return sentiment.chances(weights.needs("text", "class"), text).numpy()


def picture_classes(weights: Weights, picture: Image.Image) -> np.ndarray:
    """The probability of each class (V,) of a picture of any size."""
    network = weights.needs("image", "class")
    if isinstance(weights.settings, digits.PictureSettings):
        return digits.chances(network, weights.settings.read(picture))[0]
    given = {"image": as_published(picture)[None]}
    with torch.inference_mode():
        return network.ask(network.read(given), "class")[0, 0].softmax(-1).numpy()


def as_published(picture: Image.Image) -> torch.Tensor:
    """A picture (H, W, C) as the published classifiers were trained to see it."""
    side = round(min(picture.size) * MIDDLE)
    left, top = ((size - side) // 2 for size in picture.size)
    middle = as_rgb(picture).crop((left, top, left + side, top + side))
    pixels_HWC = np.asarray(middle.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32) / 255
    return torch.from_numpy((pixels_HWC - np.array(MEAN, np.float32)) / np.array(DEVIATION, np.float32))
