"""data2vec for pictures, sounds and texts: small networks for a laptop, and the published settings of Base and Large.

`data2vec_pictures`, `data2vec_sounds` and `data2vec_texts` are the small ones; `data2vec_vision_base` and so on have
the networks, masks, targets and schedules of the paper over the data that stand here. What differs from it is in
docs/self-supervised.md. [Baevski et al. 2022, arXiv:2202.03555, sec. 4, 5; arXiv:2212.07525 for data2vec 2.0]
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

from opengato.agent import model
from opengato.backbones import encoder
from opengato.core.config import choose
from opengato.data.loader import LoaderConfig
from opengato.data.rules import Rules
from opengato.modalities import audio, image, text
from opengato.modalities.audio import waveform
from opengato.objectives import data2vec
from opengato.objectives.data2vec import efficient
from opengato.objectives.data2vec.decoder import Decoder
from opengato.objectives.data2vec.regression import Guard, Regression
from opengato.objectives.data2vec.teacher import Ema, Teaching
from opengato.objectives.hiding import Hiding
from opengato.objectives.masks import Blocks, InverseBlocks, Spans, Tokens
from opengato.train import loop, optim
from opengato.train.run import Recipe

Sense = Literal["pictures", "sounds", "texts"]
SENSES: tuple[Sense, ...] = get_args(Sense)
WIDTH, DEPTH, HEADS, HIDDEN = 192, 6, 4, 512
STEPS, ROWS, CONTEXT = 1500, 16, 256
SOURCES: dict[Sense, dict[str, float]] = {
    "pictures": {"mnist": 1.0},
    "sounds": {"freepats": 0.2, "sonicpi": 0.2, "asterisk": 0.3, "tuxspeech": 0.3},
    "texts": {"reuters": 0.5, "austen": 0.3, "shakespeare": 0.2},
}
PLAIN = ("austen", "shakespeare")  # of text and nothing else, which takes no rules
PROBES: dict[Sense, str] = {
    "pictures": "probe/label-mnist",
    "sounds": "probe/sound-freepats,probe/sound-sonicpi",
    "texts": "probe/topic-reuters",
}
EMA = Ema(start=0.99, end=0.999, steps=1000)
GUARD = Guard(after=500)


def agent(sense: Sense) -> model.Config:
    """A network that reads one sense both ways; a decoder of its shape can begin with its weights."""
    name, front = {
        "pictures": ("image", image.Config(patch=4, max_side=28)),
        "sounds": ("sound", audio.Config(frames=4, context=0, seconds=10.0)),
        "texts": ("text", text.Config()),
    }[sense]
    routes = {"pictures": {"observation/image": name}, "sounds": {"observation/audio": name}, "texts": {}}[sense]
    return model.Config(
        modalities={"text": text.Config(), name: front},
        routes={"instruction": "text", "observation/text": "text", "action/text": "text", **routes},
        backbone=encoder.Config(width=WIDTH, depth=DEPTH, heads=HEADS, hidden=HIDDEN),
        context=CONTEXT,
        num_local=64,
    )


def objective(sense: Sense) -> data2vec.Config:
    """What is hidden as in the paper, of pictures in blocks of a quarter of its size; the four last of six blocks."""
    masks: dict[str, Any] = {
        "pictures": {"image": Blocks(share=0.6, least=4), "text": None},
        "sounds": {"sound": Spans(start=0.125, length=5), "text": None},
        "texts": {"text": Spans(start=0.35 / 4, length=4)},
    }[sense]
    return data2vec.Config(
        hiding=Hiding(masks=masks),
        teaching=Teaching(ema=EMA, top=4, norm="instance" if sense == "sounds" else "layer"),
        regression={
            "pictures": Regression(beta=2.0, scale="mean"),
            "sounds": Regression(beta=0.0, scale="root"),
            "texts": Regression(beta=4.0, scale="sum"),
        }[sense],
        guard=GUARD,
        head_layers=2 if sense == "texts" else 1,
    )


def efficient_objective(sense: Sense) -> efficient.Config:
    """data2vec 2.0: four masks for one pass of the teacher, and a decoder of three layers."""
    masks: dict[str, Any] = {
        "pictures": {"image": InverseBlocks(share=0.75, side=3), "text": None},
        "sounds": {"sound": Tokens(share=0.5), "text": None},
        "texts": {"text": Tokens(share=0.45)},
    }[sense]
    base = objective(sense)
    norm = {"pictures": "layer", "sounds": "none", "texts": "none"}[sense]
    teaching = dataclasses.replace(base.teaching, norm="instance", last_norm=norm)
    return efficient.Config(
        hiding=Hiding(masks=masks), teaching=teaching, guard=GUARD, decoder=Decoder(width=WIDTH), copies=4
    )


def small(sense: Sense) -> Recipe:
    """The run for a laptop: nothing of a label, a caption or a transcript is read."""
    choose(sense, SENSES, what="sense")
    sources = SOURCES[sense]
    return Recipe(
        name=f"data2vec-{sense}",
        train=loop.Config(
            agent=agent(sense),
            objective=objective(sense),
            optim=optim.Config(learning_rate=1e-3, matrix_learning_rate=None, weight_decay=0.01),
            steps=STEPS,
        ),
        weights=sources,
        imports=tuple(sources),
        rules={name: Rules(seen=1.0) for name in sources if name not in PLAIN},
        loader=LoaderConfig(groups=1, workers=1),
        rows_per_group=ROWS,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A column of the paper's settings; `rows` of `context` positions make its batch as nearly as can be."""

    front: Any
    mask: Any
    teaching: Teaching
    regression: Regression
    head_layers: int
    optim: optim.Config
    steps: int
    context: int
    rows: int
    sources: dict[str, float]


def cosine(rate: float, warmup: int, decay: float = 0.05) -> optim.Config:
    """Adam with half a wave down to nothing."""
    return optim.Config(
        learning_rate=rate, matrix_learning_rate=None, weight_decay=decay, betas=(0.9, 0.999), warmup=warmup,
        decay=1.0, fall=optim.Cosine(final=0.0),
    )  # fmt: skip


def three_stages(rate: float, steps: int, up: float, down: float) -> optim.Config:
    """Adam: up over a share of the steps, flat, down over another (here in a line, there exponentially)."""
    return optim.Config(
        learning_rate=rate, matrix_learning_rate=None, weight_decay=0.01, betas=(0.9, 0.98), epsilon=1e-6,
        warmup=round(up * steps), decay=down,
    )  # fmt: skip


def published(sense: Sense, size: str) -> Published:
    """The settings of a sense; Large differs from Base in the run of pictures."""
    large = size == "large"
    if sense == "pictures":
        epoch = 1_281_167 // (8192 if large else 2048)  # steps
        return Published(
            front=image.Config(patch=16, max_side=224),
            mask=Blocks(share=0.6, least=16),
            teaching=Teaching(ema=Ema(start=0.9998, end=0.9998, steps=0), top=6),
            regression=Regression(beta=2.0, scale="mean"),
            head_layers=1,
            optim=cosine(1e-3 if large else 2e-3, warmup=(80 if large else 40) * epoch),
            steps=(1600 if large else 800) * epoch,
            context=1024,
            rows=1640 if large else 410,  # five pictures of 196 patches a row
            sources={"openclipart": 0.8, "emoji": 0.1, "twemoji": 0.1},
        )
    if sense == "sounds":
        return Published(
            front=waveform.Config(rate=16_000, patch=320, seconds=20.0),
            mask=Spans(start=0.065, length=10),
            teaching=Teaching(ema=Ema(start=0.999, end=0.9999, steps=30_000), top=8, norm="instance"),
            regression=Regression(beta=0.0, scale="root"),
            head_layers=1,
            optim=three_stages(5e-4, 400_000, up=0.03, down=0.07),
            steps=400_000,
            context=1024,
            rows=184,  # 63 minutes of 50 positions a second
            sources=SOURCES["sounds"],
        )
    return Published(
        front=text.Config(),
        mask=Spans(start=0.35 / 4, length=4),
        teaching=Teaching(ema=Ema(start=0.999, end=0.9999, steps=100_000), top=10),
        regression=Regression(beta=4.0, scale="sum"),
        head_layers=2,
        optim=three_stages(2e-4, 1_000_000, up=0.05, down=0.15),
        steps=1_000_000,
        context=512,
        rows=256,
        sources=SOURCES["texts"],
    )


SHAPES = {"base": (12, 768, 12), "large": (24, 1024, 16)}  # blocks, width, heads; the feed-forward is 4 widths
PART = 8  # rows that are computed at once


def as_published(name: str, sense: Sense, size: str) -> Recipe:
    """The run with the paper's settings."""
    blocks, width, heads = SHAPES[choose(size, SHAPES, what="size of data2vec")]
    found, small_agent = published(choose_sense(sense), size), agent(sense)
    own = next(n for n in reversed(small_agent.modalities))
    trunk = encoder.Config(
        width=width, depth=blocks, heads=heads, hidden=4 * width, activation="gelu", gated=False, bias=True,
        norm_bias=True, drop_path=0.2 if sense == "pictures" else 0.0,
    )  # fmt: skip
    rows = -(-found.rows // PART)
    return Recipe(
        name=name,
        train=loop.Config(
            agent=dataclasses.replace(
                small_agent, modalities={**small_agent.modalities, own: found.front}, backbone=trunk,
                context=found.context, num_local=1024,
            ),
            objective=data2vec.Config(
                hiding=Hiding(masks={"text": None, own: found.mask}), teaching=found.teaching,
                regression=found.regression, head_layers=found.head_layers,
            ),
            optim=found.optim,
            steps=found.steps,
            accumulate=rows,
        ),
        weights=found.sources,
        imports=tuple(found.sources),
        rules={name: Rules(seen=1.0) for name in found.sources if name not in PLAIN},
        loader=LoaderConfig(groups=rows, workers=2),
        rows_per_group=PART,
    )  # fmt: skip


def choose_sense(sense: str) -> Sense:
    """One of the three; ValueError with the near ones."""
    return SENSES[SENSES.index(choose(sense, SENSES, what="sense"))]
